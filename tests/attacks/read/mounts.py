"""Tries: to learn from the kernel's tables where the host keeps what is mounted here.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
Control: in `process` the tables can be read.
"""

for path in (
    "/proc/self/mountinfo",
    "/proc/mounts",
    "/proc/1/mountinfo",
    "/proc/swaps",
    "/proc/partitions",
    "/etc/mtab",
):
    try:
        with open(path) as file:
            print("BREACH", path, file.read()[:300])
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
