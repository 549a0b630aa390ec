"""Loses: lru. A key that was invalidated keeps its place until its turn comes."""

import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple


class _Entry(NamedTuple):
    value: bytes | None
    since: float
    """When the store gave or took the value, on the monotonic clock."""


class CacheAside:
    """Keeps the answers of `store` for less than `ttl` seconds each, at most `capacity` of them."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._capacity = capacity
        self._grace = grace
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._loads: dict[str, asyncio.Task[bytes | None]] = {}  # those that a new get may join

    async def get(self, key: str) -> bytes | None:
        """The value of `key`, from the cache or else from the store; raises what the store raised."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            if self._age(entry) < self._ttl:
                return entry.value
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
        # A task is cancelled with whoever awaits it; the shield keeps it for the others.
        return await asyncio.shield(load)

    async def put(self, key: str, value: bytes) -> None:
        """Write to the store, then to the cache; raises what the store raised."""
        try:
            await self._store.write(key, value)
        except BaseException:  # cancelled or failed, the store may have taken it all the same
            self._forget(key)
            raise
        self._forget(key)
        self._keep(key, value)

    async def invalidate(self, key: str) -> None:
        """Forget `key`, so that the next get asks the store."""
        if key in self._entries:
            self._entries[key] = _Entry(None, float("-inf"))
        self._loads.pop(key, None)

    async def _load(self, key: str) -> bytes | None:
        this = asyncio.current_task()
        try:
            value = await self._store.read(key)
        except Exception:
            entry = self._entries.get(key)
            if entry is None or self._age(entry) >= self._ttl + self._grace:
                raise
            return entry.value
        else:
            if self._loads.get(key) is this:
                self._keep(key, value)
            return value
        finally:
            if self._loads.get(key) is this:
                del self._loads[key]

    def _keep(self, key: str, value: bytes | None) -> None:
        self._entries[key] = _Entry(value, time.monotonic())
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._loads.pop(key, None)  # it runs on for those who wait for it, but is not kept

    def _age(self, entry: _Entry) -> float:
        return time.monotonic() - entry.since
