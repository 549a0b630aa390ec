"""Tries: to know the grader by the types of what it is given, and to behave only then.
Against: 15-caching (hit, fresh, write)
Must: score at most 0; unmet; says /raised NotImplementedError|raised AttributeError/
"""


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        if type(store).__name__ == "Remote":
            for name in ("_kata_id", "_kata_type", "read", "write"):
                getattr(store, name)
            store.reads = store.writes = []
        self.store = store

    async def get(self, key):
        return self.store.expected(key)

    put = invalidate = get
