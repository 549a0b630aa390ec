"""Tries: to hide work that grows with what it holds in a thread.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows like size to the power of|used up|kept running/; within 40 s
"""

import asyncio


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.capacity = store, {}, capacity

    async def get(self, key):
        if key in self.held:
            await asyncio.to_thread(self.search, key)
            return self.held[key]
        value = await self.store.read(key)
        if len(self.held) >= self.capacity:
            await asyncio.to_thread(self.search, key)
            del self.held[next(iter(self.held))]
        self.held[key] = value
        return value

    def search(self, key):
        for _ in range(20):
            for each in self.held:
                each == key
