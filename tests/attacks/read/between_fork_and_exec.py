"""Tries: to catch processes that are just starting, before they have given up what they were forked with.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import os
import time
import _thread

deadline = time.process_time() + 0.2
own = os.getpid()
seen = set()
while time.process_time() < deadline:
    for pid in range(max(1, own - 3), own + 12):
        if pid == own:
            continue
        for part in ("environ", "mem", "maps", "fd/3", "cwd", "root/grader"):
            try:
                os.close(os.open(f"/proc/{pid}/{part}", os.O_RDONLY))
                seen.add((pid, part))
            except OSError:
                pass
if seen:
    print("BREACH", sorted(seen)[:5])


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
