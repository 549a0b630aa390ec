"""Tries: to leave links and traps in its folder that whoever cleans up or reads there might follow.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /traps are set/
"""

import os

os.mkdir("locked")
for number, target in enumerate(("/", "/grader", "/work", "/etc", "/opt/kata", "..", "/proc/1/root", "/dev/null")):
    for name in (f"link{number}", f"locked/link{number}", f"submission/link{number}"):
        os.symlink(target, name)
for name in ("submission/cache_aside.py", "submission"):
    os.rename(name, f"{name}.away")
    os.symlink("/etc", name)
os.mkfifo("pipe")
os.chmod("locked", 0)
try:
    os.rename(os.getcwd(), os.getcwd() + ".moved")
    print("BREACH moved its own folder")
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("traps are set")
