"""Loses: single-flight. Loads are shared only for keys that aren't held at all: when a held value expires, every get reads the store for itself.
May lose: errors, grace, cancelled, full-of-loads
"""
import asyncio
import itertools
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.entries = OrderedDict()     # key -> [value, since]
        self.first_loads = {}            # key -> task
        self.readers = {}                # key -> set of tickets of the reads that may still be kept
        self.tickets = itertools.count()

    async def get(self, key: str) -> bytes | None:
        entry = self.entries.get(key)
        if entry is None:
            # Never held: everybody shares one load.
            task = self.first_loads.get(key)
            if task is None:
                task = asyncio.create_task(self._first(key))
                self.first_loads[key] = task
            return await asyncio.shield(task)

        self.entries.move_to_end(key)
        if time.monotonic() - entry[1] < self.ttl:
            return entry[0]

        # Expired: refresh it.
        try:
            return await self._read_and_keep(key)
        except ConnectionError:
            entry = self.entries.get(key)
            if entry is not None and time.monotonic() - entry[1] < self.ttl + self.grace:
                return entry[0]
            raise

    async def _first(self, key):
        try:
            return await self._read_and_keep(key)
        finally:
            if self.first_loads.get(key) is asyncio.current_task():
                del self.first_loads[key]

    async def _read_and_keep(self, key):
        ticket = next(self.tickets)
        mine = self.readers.setdefault(key, set())
        mine.add(ticket)
        try:
            value = await self.store.read(key)
            if self.readers.get(key) is mine:
                self._keep(key, value)
            return value
        finally:
            mine.discard(ticket)
            if not mine and self.readers.get(key) is mine:
                del self.readers[key]

    def _keep(self, key, value):
        self.entries[key] = [value, time.monotonic()]
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    def _forget(self, key):
        self.entries.pop(key, None)
        self.first_loads.pop(key, None)
        self.readers.pop(key, None)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        self._keep(key, value)

    async def invalidate(self, key: str) -> None:
        self._forget(key)
