"""Loses: hit. An empty value (b"") is falsy, so `if value:` takes it for a miss and asks the store on every get.
May lose: write, grace
"""
import asyncio
import time
from collections import OrderedDict

NO_SUCH_KEY = object()   # held instead of None, so that a negative answer can be told from "not cached"


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.cache = OrderedDict()      # key -> (value, since)
        self.loading = {}               # key -> task

    def lookup(self, key, max_age):
        """The value (or NO_SUCH_KEY) if it is younger than max_age, else None."""
        if key not in self.cache:
            return None
        value, since = self.cache[key]
        if time.monotonic() - since >= max_age:
            return None
        return value

    def remember(self, key, value):
        self.cache[key] = (NO_SUCH_KEY if value is None else value, time.monotonic())
        self.cache.move_to_end(key)
        if len(self.cache) > self.capacity:
            self.cache.popitem(last=False)

    async def get(self, key: str) -> bytes | None:
        value = self.lookup(key, self.ttl)
        if key in self.cache:
            self.cache.move_to_end(key)
        if value:
            return None if value is NO_SUCH_KEY else value
        task = self.loading.get(key)
        if task is None:
            task = asyncio.create_task(self.load(key))
            self.loading[key] = task
        return await asyncio.shield(task)

    async def load(self, key):
        this = asyncio.current_task()
        try:
            value = await self.store.read(key)
            if self.loading.get(key) is this:
                self.remember(key, value)
            return value
        except ConnectionError:
            stale = self.lookup(key, self.ttl + self.grace)
            if stale is None:
                raise
            return None if stale is NO_SUCH_KEY else stale
        finally:
            if self.loading.get(key) is this:
                del self.loading[key]

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.loading.pop(key, None)
        self.remember(key, value)

    async def invalidate(self, key: str) -> None:
        self.loading.pop(key, None)
        self.cache.pop(key, None)
