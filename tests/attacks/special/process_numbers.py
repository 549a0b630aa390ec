"""Tries: to know by its process and user ids and by its folder how many checks went before.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected|got/
"""

import os

NUMBER = (os.getpid() + os.getuid() + sum(os.getcwd().encode())) % 7


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return (b"v1", b"v2", None, b"", b"w1", b"x1", b"v3")[NUMBER]

    put = invalidate = get
