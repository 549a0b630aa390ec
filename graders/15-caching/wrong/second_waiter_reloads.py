"""Loses: single-flight, errors. Whoever waited for the key's lock doesn't look into the cache again, so the waiting gets read the store one after the other.
May lose: overtaken, grace, cancelled, full-of-loads
"""
import asyncio
import time
import weakref
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.cache = OrderedDict()
        # One lock per key; it goes away by itself when nobody holds it or waits for it.
        self.locks = weakref.WeakValueDictionary()
        self.tokens = {}

    def lock_for(self, key):
        lock = self.locks.get(key)
        if lock is None:
            lock = asyncio.Lock()
            self.locks[key] = lock
        return lock

    async def get(self, key: str) -> bytes | None:
        entry = self.cache.get(key)
        if entry is not None:
            self.cache.move_to_end(key)
            if time.monotonic() - entry[1] < self.ttl:
                return entry[0]
        async with self.lock_for(key):
            return await self.load(key)

    async def load(self, key):
        token = self.tokens[key] = object()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            entry = self.cache.get(key)
            if entry is not None and time.monotonic() - entry[1] < self.ttl + self.grace:
                return entry[0]
            raise
        else:
            if self.tokens.get(key) is token:
                self.insert(key, value)
            return value
        finally:
            if self.tokens.get(key) is token:
                del self.tokens[key]

    def insert(self, key, value):
        self.cache[key] = (value, time.monotonic())
        self.cache.move_to_end(key)
        while len(self.cache) > self.capacity:
            self.cache.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        await self.invalidate(key)
        self.insert(key, value)

    async def invalidate(self, key: str) -> None:
        self.cache.pop(key, None)
        self.tokens.pop(key, None)
        # Whoever comes now doesn't queue behind an old load.
        self.locks.pop(key, None)
