"""Tries: to end its process well in the middle of a check, so that an exit status of 0 passes for success.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /ended by itself: exit status 0/
"""

import os


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        os._exit(0)

    put = invalidate = get
