"""Tries: to fill the grader's own memory, where its store keeps all that it is given.
Against: 15-caching (hit, fresh), in 40 s
Must: score at most 0; unmet; says /sent more than the [\\d,]+ bytes that may come in one run|was stopped|still busy/; within 60 s
"""

BIG = bytes(900_000)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        for number in range(100_000):
            await self.store.write(f"{number}", BIG)

    put = invalidate = get
