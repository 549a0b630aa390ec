"""Tries: to know the checks by the order and the number of their calls.
Against: 15-caching (hit, fresh, write)
Must: score at most 0; unmet; says /expected|got/
"""

import itertools

ANSWERS = itertools.cycle([b"v1", b"v1", b"v2", b"v1", None, b"v2"])


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return next(ANSWERS)

    async def put(self, key, value):
        return None

    async def invalidate(self, key):
        return None
