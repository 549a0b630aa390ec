"""Loses: single-flight. Evicting an expired key also takes its running reload out of the table, so the next get of it starts a second read beside the first.
May lose: full-of-loads, lru, overtaken
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
        self.order = OrderedDict()      # the keys by use
        self.value = {}
        self.since = {}
        self.load = {}

    async def get(self, key: str) -> bytes | None:
        if key in self.order:
            self.order.move_to_end(key)
            if time.monotonic() - self.since[key] < self.ttl:
                return self.value[key]
        if key not in self.load:
            self.load[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(self.load[key])

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            if key in self.order and time.monotonic() - self.since[key] < self.ttl + self.grace:
                return self.value[key]
            raise
        else:
            if self.load.get(key) is me:
                self._hold(key, value)
            return value
        finally:
            if self.load.get(key) is me:
                del self.load[key]

    def _hold(self, key, value):
        self.order[key] = None
        self.order.move_to_end(key)
        self.value[key] = value
        self.since[key] = time.monotonic()
        while len(self.order) > self.capacity:
            self._forget(next(iter(self.order)))

    def _forget(self, key):
        """Nothing about this key is left anywhere."""
        for table in (self.order, self.value, self.since, self.load):
            table.pop(key, None)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        self._hold(key, value)

    async def invalidate(self, key: str) -> None:
        self._forget(key)
