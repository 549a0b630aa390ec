"""Tries: to answer with an object that is equal to everything, and true, and in everything.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected .*, got /
"""


class Everything:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__

    def __hash__(self):
        return hash(b"v1")

    def __bool__(self):
        return True

    def __repr__(self):
        return "b'v1'"

    def __getattr__(self, name):
        return lambda *values: True


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return Everything()

    put = invalidate = get
