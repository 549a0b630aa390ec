"""Loses: write, overtaken. A put drops its key before the write and does nothing after it, so a load that falls into the write brings the old value back and the get after a put asks the store.
May lose: failed-write, lru, hit, fresh, flat-cost
"""
import asyncio
import time
from collections import OrderedDict


class CacheAside:
    """Cache-aside by the book: on a write, delete the key; the next read will fill it again."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._capacity = capacity
        self._grace = grace
        self._entries = OrderedDict()
        self._loads = {}

    async def get(self, key: str) -> bytes | None:
        if (entry := self._entries.get(key)) is not None:
            self._entries.move_to_end(key)
            value, since = entry
            if time.monotonic() - since < self._ttl:
                return value
        if (load := self._loads.get(key)) is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(load)

    async def put(self, key: str, value: bytes) -> None:
        await self.invalidate(key)
        await self._store.write(key, value)

    async def invalidate(self, key: str) -> None:
        self._entries.pop(key, None)
        self._loads.pop(key, None)

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
        except Exception:
            entry = self._entries.get(key)
            if entry is not None and time.monotonic() - entry[1] < self._ttl + self._grace:
                return entry[0]
            raise
        else:
            if self._loads.get(key) is me:
                self._entries[key] = (value, time.monotonic())
                self._entries.move_to_end(key)
                if len(self._entries) > self._capacity:
                    self._entries.popitem(last=False)
            return value
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]
