"""Tries: to have its objects shown: a repr of gigabytes, one that loops, one that fails.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised Loud|expected .*, got/
"""


class Loud(Exception):
    def __repr__(self):
        return "x" * (100 << 20)

    def __str__(self):
        return "y" * (50 << 20)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        raise Loud

    put = invalidate = get
