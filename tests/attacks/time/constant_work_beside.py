"""Tries: to hide work that grows behind work that does not: a search through everything, and a pause before it.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows, beside much that stays the same|grows like size to the power of|used up/; within 60 s
"""

PAUSE = 2_000


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.capacity = store, capacity
        self.held, self.order = {}, []

    async def get(self, key):
        for _ in range(PAUSE):
            pass
        if key in self.held:
            self.order.remove(key)
            self.order.append(key)
            return self.held[key]
        value = await self.store.read(key)
        self.held[key] = value
        self.order.append(key)
        if len(self.held) > self.capacity:
            del self.held[self.order.pop(0)]
        return value
