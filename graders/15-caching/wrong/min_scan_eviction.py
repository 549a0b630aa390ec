"""Loses: flat-cost. To find the least recently used key an eviction looks at every key that is held."""
import asyncio
import time
from itertools import count


class Entry:
    __slots__ = ("value", "since", "used")

    def __init__(self, value, since, used):
        self.value = value
        self.since = since
        self.used = used


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.entries: dict[str, Entry] = {}
        self.loads: dict[str, asyncio.Task] = {}
        self.tick = count()         # a counter, because two uses may fall on the same instant

    async def get(self, key: str) -> bytes | None:
        entry = self.entries.get(key)
        if entry is not None:
            entry.used = next(self.tick)
            if time.monotonic() - entry.since < self.ttl:
                return entry.value
        load = self.loads.get(key)
        if load is None:
            load = asyncio.create_task(self.load(key))
            self.loads[key] = load
        return await asyncio.shield(load)

    async def load(self, key):
        me = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            entry = self.entries.get(key)
            if entry is not None and time.monotonic() - entry.since < self.ttl + self.grace:
                return entry.value
            raise
        else:
            if self.loads.get(key) is me:
                self.insert(key, value)
            return value
        finally:
            if self.loads.get(key) is me:
                del self.loads[key]

    def insert(self, key, value):
        if key not in self.entries and len(self.entries) >= self.capacity:
            victim = min(self.entries, key=lambda k: self.entries[k].used)
            del self.entries[victim]
        self.entries[key] = Entry(value, time.monotonic(), next(self.tick))

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.loads.pop(key, None)
        self.insert(key, value)

    async def invalidate(self, key: str) -> None:
        self.loads.pop(key, None)
        self.entries.pop(key, None)
