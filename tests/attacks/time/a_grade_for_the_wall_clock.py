"""Tries: to have real time count: it sleeps where a load is measured, and not where a hit is.
Against: 15-caching (side-by-side)
Must: score at most 0; unmet; says /got|expected|was stopped/
"""

import ctypes

usleep = ctypes.CDLL(None).usleep


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.busy = store, {}, False

    async def get(self, key):
        while self.busy:
            import asyncio

            await asyncio.sleep(0.5)
        self.busy = True
        try:
            usleep(1000)
            return await self.store.read(key)
        finally:
            self.busy = False

    async def put(self, key, value):
        await self.get(key)
