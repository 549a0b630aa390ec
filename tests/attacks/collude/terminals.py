"""Tries: to meet another process at a pseudo terminal, which all of a container share.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
"""

import os

for attempt in (lambda: os.openpty(), lambda: os.open("/dev/ptmx", os.O_RDWR), lambda: os.listdir("/dev/pts")):
    try:
        print("BREACH", attempt())
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
