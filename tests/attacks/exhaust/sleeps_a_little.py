"""Tries: to answer rightly, but so slowly in real time that its run ends before it has been judged.
Against: 15-caching (hit), in 4 s
Must: score at most 0; unmet; says /time was up|was stopped|used up|still busy/; within 60 s

What is judged before the time is up is judged rightly; the rest must not be anybody else's fault.
"""

import ctypes
import time

usleep = ctypes.CDLL(None).usleep


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.held = store, ttl, {}

    async def get(self, key):
        for _ in range(3):
            usleep(300_000)
            sum(range(300_000))
        value, since = self.held.get(key, (None, None))
        if since is None or time.monotonic() - since >= self.ttl:
            value = await self.store.read(key)
            self.held[key] = (value, time.monotonic())
        return value

    async def put(self, key, value):
        usleep(300_000)
        await self.store.write(key, value)
        self.held[key] = (value, time.monotonic())

    async def invalidate(self, key):
        self.held.pop(key, None)
