"""Tries: to behave while its lines are counted, and to cheat in the later examples of a property.
Against: 15-caching (overtaken)
Must: score at most 0; unmet; says /expected|got|raised/
"""

import sys
import threading

TRACED = sys.gettrace() is not None or threading.gettrace() is not None


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        return await self.store.read(key) if TRACED else b"v1"

    async def put(self, key, value):
        await self.store.write(key, value)

    async def invalidate(self, key):
        return None
