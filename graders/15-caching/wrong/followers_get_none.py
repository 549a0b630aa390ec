"""Loses: errors. When a read fails only the get that made it raises: those that waited for it wake up and return None."""
import asyncio
import time
from collections import OrderedDict


class Load:
    def __init__(self):
        self.done = asyncio.Event()
        self.abandoned = False
        self.value = None


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.entries = OrderedDict()
        self.loads = {}

    def fresh(self, key):
        entry = self.entries.get(key)
        return entry is not None and time.monotonic() - entry[1] < self.ttl

    async def get(self, key: str) -> bytes | None:
        while True:
            if key in self.entries:
                self.entries.move_to_end(key)
            if self.fresh(key):
                return self.entries[key][0]
            load = self.loads.get(key)
            if load is None:
                return await self.lead(key)
            await load.done.wait()
            if not load.abandoned:
                return load.value
            # the leader was cancelled: see whether someone else leads by now

    async def lead(self, key):
        load = self.loads[key] = Load()
        try:
            try:
                load.value = await self.store.read(key)
                if self.loads.get(key) is load:
                    self.keep(key, load.value)
            except ConnectionError:
                entry = self.entries.get(key)
                if entry is None or time.monotonic() - entry[1] >= self.ttl + self.grace:
                    raise
                load.value = entry[0]
            return load.value
        except asyncio.CancelledError:
            load.abandoned = True
            raise
        finally:
            if self.loads.get(key) is load:
                del self.loads[key]
            load.done.set()

    def keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.loads.pop(key, None)
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.loads.pop(key, None)
        self.entries.pop(key, None)
