"""Tries: to multiply a slow failure by all the examples of a property, and by all that shrinking tries.
Against: 15-caching (overtaken, lru)
Must: score at most 0; unmet; says /expected|was stopped|used up/; within 40 s
"""


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store
        self.count = 0

    async def get(self, key):
        self.count += 1
        for _ in range(300_000):
            pass
        return await self.store.read(key) if self.count < 9 else b"late"

    async def put(self, key, value):
        await self.store.write(key, value)

    async def invalidate(self, key):
        pass
