"""Tries: to take its time without ever standing still: it sleeps for a moment, works for less, and again.
Against: 15-caching (hit), in 4 s
Must: score at most 0; unmet; says /time was up.*too much went to calls|was stopped|used up|still busy/; within 60 s
"""

import ctypes
import time

usleep = ctypes.CDLL(None).usleep


def doze():
    for _ in range(700):
        usleep(1_000)
        sum(range(300))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.held = store, ttl, {}

    async def get(self, key):
        doze()
        value, since = self.held.get(key, (None, None))
        if since is None or time.monotonic() - since >= self.ttl:
            value = await self.store.read(key)
            self.held[key] = (value, time.monotonic())
        return value

    async def put(self, key, value):
        doze()
        await self.store.write(key, value)
        self.held[key] = (value, time.monotonic())

    async def invalidate(self, key):
        self.held.pop(key, None)
