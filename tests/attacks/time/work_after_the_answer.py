"""Tries: to answer at once, and to do the work that grows when nobody seems to look.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows like size to the power of|used up|kept running/; within 40 s
"""

import asyncio


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.capacity = store, {}, capacity

    async def get(self, key):
        if key in self.held:
            asyncio.get_running_loop().call_soon(self.search, key)
            return self.held[key]
        value = await self.store.read(key)
        if len(self.held) >= self.capacity:
            asyncio.get_running_loop().call_later(0, self.search, key)
            del self.held[next(iter(self.held))]
        self.held[key] = value
        return value

    def search(self, key):
        for _ in range(20):
            for each in self.held:
                each == key
