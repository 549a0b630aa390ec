"""Loses: side-by-side. Every read and every write of the store is made under one lock for the whole cache, so loads of different keys take turns.
May lose: single-flight, overtaken, full-of-loads, cancelled
"""
import asyncio
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.lock = asyncio.Lock()          # guards entries and the store
        self.entries = OrderedDict()
        self.loads = {}

    async def get(self, key: str) -> bytes | None:
        if key in self.entries:
            value, since = self.entries[key]
            self.entries.move_to_end(key)
            if time.monotonic() - since < self.ttl:
                return value
        if key not in self.loads:
            self.loads[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(self.loads[key])

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            async with self.lock:
                value = await self.store.read(key)
                if self.loads.get(key) is me:
                    self._keep(key, value)
                return value
        except ConnectionError:
            if key in self.entries:
                value, since = self.entries[key]
                if time.monotonic() - since < self.ttl + self.grace:
                    return value
            raise
        finally:
            if self.loads.get(key) is me:
                del self.loads[key]

    def _keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            async with self.lock:
                await self.store.write(key, value)
                self.loads.pop(key, None)
                self._keep(key, value)
        except BaseException:
            self.loads.pop(key, None)
            self.entries.pop(key, None)
            raise

    async def invalidate(self, key: str) -> None:
        self.loads.pop(key, None)
        self.entries.pop(key, None)
