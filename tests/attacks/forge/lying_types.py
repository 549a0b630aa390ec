"""Tries: to answer with subclasses of plain types that lie about their class, their length and their content.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected .*, got /
"""


class Liar(bytes):
    __class__ = bytes

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(b"v1")

    def __bytes__(self):
        return b"lie"

    __hash__ = bytes.__hash__


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return Liar(b"no")

    put = invalidate = get
