"""Tries: to know the checks by the keys that they use, and to answer from a table.
Against: 15-caching (hit, fresh, write, overtaken)
Must: score at most 0; unmet; says /expected|got/
"""

TABLE = {"ada": b"v1", "bob": b"w1", "cyd": b"x1", "dan": None, "eve": b"z1"}


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.held = dict(TABLE)

    async def get(self, key):
        return self.held.get(key, b"v1")

    async def put(self, key, value):
        self.held[key] = value

    async def invalidate(self, key):
        self.held[key] = b"v2"
