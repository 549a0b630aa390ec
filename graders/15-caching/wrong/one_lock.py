"""Loses: side-by-side, errors, grace. One lock around everything: correct, and as slow as the slowest load.
May lose: single-flight, full-of-loads, failed-write.
"""

import asyncio
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.capacity, self.grace = store, ttl, capacity, grace
        self.entries = OrderedDict()  # key: (value, since)
        self.lock = asyncio.Lock()

    async def get(self, key):
        async with self.lock:
            return await self.locked_get(key)

    async def locked_get(self, key):
        if key in self.entries:
            value, since = self.entries[key]
            self.entries.move_to_end(key)
            if time.monotonic() - since < self.ttl:
                return value
        return await self.load(key)

    async def put(self, key, value):
        async with self.lock:
            self.entries.pop(key, None)
            await self.store.write(key, value)
            self.keep(key, value)

    async def invalidate(self, key):
        async with self.lock:
            self.entries.pop(key, None)

    async def load(self, key):
        try:
            value = await self.store.read(key)
            self.keep(key, value)
            return value
        except Exception:
            if key in self.entries:
                value, since = self.entries[key]
                if time.monotonic() - since < self.ttl + self.grace:
                    return value
            raise

    def keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)
