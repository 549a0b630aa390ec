"""Loses: cancelled. When the get that does the reading is cancelled, its CancelledError is set on the shared future and so raised in everybody who waits for the key."""
import asyncio
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.cache = OrderedDict()
        self.futures = {}

    async def get(self, key: str) -> bytes | None:
        entry = self.cache.get(key)
        if entry is not None:
            self.cache.move_to_end(key)
            value, loaded = entry
            if time.monotonic() - loaded < self.ttl:
                return value

        if key in self.futures:
            # shield: if I am cancelled, the others still want the answer
            return await asyncio.shield(self.futures[key])

        future = asyncio.get_running_loop().create_future()
        self.futures[key] = future
        try:
            value = await self.read_or_stale(key, future)
        except BaseException as exc:
            # BaseException, so that a cancellation doesn't leave the others hanging
            future.set_exception(exc)
            future.exception()
            raise
        else:
            future.set_result(value)
            return value
        finally:
            if self.futures.get(key) is future:
                del self.futures[key]

    async def read_or_stale(self, key, future):
        try:
            value = await self.store.read(key)
        except ConnectionError:
            entry = self.cache.get(key)
            if self.futures.get(key) is future and entry is not None:
                if time.monotonic() - entry[1] < self.ttl + self.grace:
                    return entry[0]
            raise
        if self.futures.get(key) is future:
            self.keep(key, value)
        return value

    def keep(self, key, value):
        self.cache[key] = (value, time.monotonic())
        self.cache.move_to_end(key)
        if len(self.cache) > self.capacity:
            self.cache.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.futures.pop(key, None)
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.futures.pop(key, None)
        self.cache.pop(key, None)
