"""Tries: to ask one question a turn, for ever.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /still busy|kept running|used up/; within 25 s
"""


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        while True:
            await self.store.read(key)
