"""Loses: hit. The answer that there is no such key is never kept, so every get of a missing key asks the store.
May lose: fresh, grace, single-flight
"""
from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic


@dataclass(slots=True)
class Copy:
    value: bytes
    born: float

    def age(self) -> float:
        return monotonic() - self.born


class CacheAside:
    """Cache-aside with single flight; each load runs as a task of its own."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._capacity = capacity
        self._grace = grace
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        self._flights: dict[str, asyncio.Task] = {}

    async def get(self, key: str) -> bytes | None:
        copy = self._copies.get(key)
        if copy is not None:
            self._copies.move_to_end(key)
            if copy.age() < self._ttl:
                return copy.value
        if key not in self._flights:
            self._flights[key] = asyncio.create_task(self._fly(key))
        return await asyncio.shield(self._flights[key])

    async def put(self, key: str, value: bytes) -> None:
        done = False
        try:
            await self._store.write(key, value)
            done = True
        finally:
            self._drop(key)
            if done:
                self._insert(key, value)

    async def invalidate(self, key: str) -> None:
        self._drop(key)

    async def _fly(self, key: str) -> bytes | None:
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
        except Exception:
            copy = self._copies.get(key)
            if copy is not None and copy.age() < self._ttl + self._grace:
                return copy.value
            raise
        else:
            if self._flights.get(key) is me:
                self._copies.pop(key, None)
                if value is not None:
                    self._insert(key, value)
            return value
        finally:
            if self._flights.get(key) is me:
                self._flights.pop(key)

    def _drop(self, key: str) -> None:
        self._copies.pop(key, None)
        self._flights.pop(key, None)

    def _insert(self, key: str, value: bytes) -> None:
        self._copies[key] = Copy(value, monotonic())
        self._copies.move_to_end(key)
        while len(self._copies) > self._capacity:
            self._copies.popitem(last=False)
