"""Tries: to tell another process of the same submission something by locks on files that both may read.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
Control: in `process` the lock is seen.
"""

import fcntl
import os

PATHS = [os.__file__, "/dev/null", "/bin/sh", fcntl.__file__ if hasattr(fcntl, "__file__") else os.__file__]
kept = []
for path in PATHS:
    try:
        file = open(path, "rb")
    except OSError:
        continue
    kept.append(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("BREACH flock", path)
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
