"""Loses: failed-write. A put that is cancelled during the write puts its value into the cache nevertheless, though nobody knows whether the store took it.
May lose: write
"""
import asyncio
import contextlib
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
        entry = self.entries.get(key)
        if entry is not None:
            self.entries.move_to_end(key)
            if self.age(entry) < self.ttl:
                return entry[0]
        load = self.loads.get(key)
        if load is None:
            load = self.loads[key] = asyncio.create_task(self.load(key))
        return await asyncio.shield(load)

    @staticmethod
    def age(entry):
        return time.monotonic() - entry[1]

    @contextlib.contextmanager
    def registered(self, key):
        me = asyncio.current_task()
        try:
            yield lambda: self.loads.get(key) is me
        finally:
            if self.loads.get(key) is me:
                del self.loads[key]

    async def load(self, key):
        with self.registered(key) as still_wanted:
            try:
                value = await self.store.read(key)
            except ConnectionError:
                entry = self.entries.get(key)
                if entry is None or not self.age(entry) < self.ttl + self.grace:
                    raise
                return entry[0]
            if still_wanted():
                self.keep(key, value)
            return value

    def keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except ConnectionError:
            await self.invalidate(key)
            raise
        except asyncio.CancelledError:
            # The client hung up, but the write is on its way.
            self.loads.pop(key, None)
            self.keep(key, value)
            raise
        self.loads.pop(key, None)
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.loads.pop(key, None)
        self.entries.pop(key, None)
