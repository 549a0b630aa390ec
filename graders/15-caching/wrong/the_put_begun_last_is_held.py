"""Loses: overtaken. Of two concurrent puts the one that began last is held, though the store holds the one that it acknowledged last.
May lose: write
"""
import asyncio
import itertools
import time
from collections import OrderedDict
from dataclasses import dataclass


@dataclass
class Entry:
    value: bytes | None
    since: float
    seq: int = 0            # number of the put it came from; 0: it was loaded


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._capacity = capacity
        self._grace = grace
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._loads: dict[str, asyncio.Task] = {}
        self._seq = itertools.count(1)

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry:
            self._entries.move_to_end(key)
            if time.monotonic() - entry.since < self._ttl:
                return entry.value
        if key not in self._loads:
            self._loads[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(self._loads[key])

    async def put(self, key: str, value: bytes) -> None:
        seq = next(self._seq)
        try:
            await self._store.write(key, value)
        except BaseException:
            self._loads.pop(key, None)
            self._entries.pop(key, None)
            raise
        self._loads.pop(key, None)
        held = self._entries.get(key)
        if held and held.seq > seq:
            # A newer put was faster: don't go back to the older value.
            self._entries.move_to_end(key)
            return
        self._keep(key, Entry(value, time.monotonic(), seq))

    async def invalidate(self, key: str) -> None:
        self._loads.pop(key, None)
        self._entries.pop(key, None)

    async def _load(self, key: str) -> bytes | None:
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
            if self._loads.get(key) is me:
                self._keep(key, Entry(value, time.monotonic()))
            return value
        except ConnectionError:
            entry = self._entries.get(key)
            if entry and time.monotonic() - entry.since < self._ttl + self._grace:
                return entry.value
            raise
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]

    def _keep(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
