"""Loses: fresh. Time is cut into periods of ttl seconds counted from when the cache was made, so a value loaded late in a period expires early.
May lose: lru, hit, grace, single-flight, write
"""
import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple, Optional


class Entry(NamedTuple):
    value: Optional[bytes]
    period: int
    since: float


class CacheAside:
    """Values of one period are served in that period only: one integer comparison per hit."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._grace = grace
        self._capacity = capacity
        self._started = time.monotonic()
        self._entries: "OrderedDict[str, Entry]" = OrderedDict()
        self._loads: dict = {}

    def _period(self, now: float) -> int:
        return int((now - self._started) // self._ttl)

    async def get(self, key: str) -> bytes | None:
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            if entry.period == self._period(now):
                return entry.value
        load = self._loads.get(key)
        if load is None:
            load = asyncio.create_task(self._load(key))
            self._loads[key] = load
        return await asyncio.shield(load)

    async def _load(self, key: str) -> bytes | None:
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
            if self._loads.get(key) is me:
                self._keep(key, value)
            return value
        except ConnectionError:
            entry = self._entries.get(key)
            if entry is None or time.monotonic() - entry.since >= self._ttl + self._grace:
                raise
            return entry.value
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]

    def _keep(self, key: str, value: bytes | None) -> None:
        now = time.monotonic()
        self._entries[key] = Entry(value, self._period(now), now)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self._loads.pop(key, None)
        self._keep(key, value)

    async def invalidate(self, key: str) -> None:
        self._loads.pop(key, None)
        self._entries.pop(key, None)
