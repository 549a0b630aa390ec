"""Loses: grace. A value whose age is exactly ttl + grace is still served when the store is down, which with grace=0 is a stale value at exactly ttl."""
import asyncio
import time
from collections import OrderedDict


class _Entry:
    __slots__ = ("value", "since")

    def __init__(self, value):
        self.value = value
        self.since = time.monotonic()

    @property
    def age(self):
        return time.monotonic() - self.since


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._capacity = capacity
        self._grace = grace
        self._entries = OrderedDict()
        self._loads = {}

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            if entry.age < self._ttl:
                return entry.value
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(load)

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
        except Exception:
            return self._stale_or_raise(key)
        else:
            if self._loads.get(key) is me:
                self._keep(key, value)
            return value
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]

    def _stale_or_raise(self, key):
        entry = self._entries.get(key)
        if entry is None:
            raise                       # the store's error, which is being handled
        if entry.age > self._ttl + self._grace:
            raise
        return entry.value

    def _keep(self, key, value):
        self._entries[key] = _Entry(value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
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
