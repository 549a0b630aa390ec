"""Loses: hit, write, lru, grace. It asks the store every time: always right, and no help.
May lose: fresh, cancelled, errors, wall-clock, flat-cost, side-by-side.
"""

import asyncio
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.capacity, self.grace = store, ttl, capacity, grace
        self.entries = OrderedDict()  # key: (value, since)
        self.loads = {}

    async def get(self, key):
        if key not in self.loads:
            self.loads[key] = asyncio.create_task(self.load(key))
        return await asyncio.shield(self.loads[key])

    async def put(self, key, value):
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        await self.invalidate(key)
        self.keep(key, value)

    async def invalidate(self, key):
        self.entries.pop(key, None)
        self.loads.pop(key, None)

    async def load(self, key):
        this = asyncio.current_task()
        try:
            value = await self.store.read(key)
            return value
        except Exception:
            if key in self.entries:
                value, since = self.entries[key]
                if time.monotonic() - since < self.ttl + self.grace:
                    return value
            raise
        finally:
            if self.loads.get(key) is this:
                del self.loads[key]

    def keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)
