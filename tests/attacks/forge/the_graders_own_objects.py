"""Tries: to answer with handles to the grader's own store, and to nothing, so that it compares with itself.
Against: 15-caching
Must: score at most 0; unmet; says /expected .*, got /; within 40 s
"""


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        return self.store

    async def put(self, key, value):
        return self

    async def invalidate(self, key):
        return self.store
