"""Loses: lru. A put of a key that is already held replaces the value in place and leaves the key where it was in the order of use."""
import asyncio
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.entries = OrderedDict()
        self.loads = {}

    async def get(self, key: str) -> bytes | None:
        try:
            value, since = self.entries[key]
        except KeyError:
            pass
        else:
            self.entries.move_to_end(key)       # used just now
            if time.monotonic() - since < self.ttl:
                return value
        try:
            load = self.loads[key]
        except KeyError:
            load = self.loads[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(load)

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            value = await self.store.read(key)
            if self.loads.get(key) is me:
                self._set(key, value)
            return value
        except ConnectionError:
            if self.loads.get(key) is me and key in self.entries:
                value, since = self.entries[key]
                if time.monotonic() - since < self.ttl + self.grace:
                    return value
            raise
        finally:
            if self.loads.get(key) is me:
                self.loads.pop(key)

    def _set(self, key, value):
        # A new key goes to the end by itself.
        self.entries[key] = (value, time.monotonic())
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.loads.pop(key, None)
        self._set(key, value)

    async def invalidate(self, key: str) -> None:
        self.entries.pop(key, None)
        self.loads.pop(key, None)
