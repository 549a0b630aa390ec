"""Design: cachetools.TTLCache holds values to the end of their grace, and drops the expired ones first."""

import asyncio
import time

from cachetools import TTLCache


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self._store = store
        self._ttl = ttl
        self._values = TTLCache(maxsize=capacity, ttl=ttl + grace, timer=time.monotonic)
        self._flights = {}

    async def get(self, key):
        held = self._values.get(key)
        if held is not None and held[1] > time.monotonic():
            return held[0]
        flight = self._flights.get(key)
        if flight is None or flight.done():
            flight = self._flights[key] = asyncio.ensure_future(self._fly(key))
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    async def put(self, key, value):
        stored = False
        try:
            await self._store.write(key, value)
            stored = True
        finally:
            await self.invalidate(key)
            if stored:
                self._hold(key, value)

    async def invalidate(self, key):
        self._values.pop(key, None)
        self._flights.pop(key, None)

    async def _fly(self, key):
        try:
            value = await self._store.read(key)
        except Exception:
            if key not in self._values:
                raise
            return self._values[key][0]
        if self._flights.get(key) is asyncio.current_task():
            self._hold(key, value)
        return value

    def _land(self, key, flight):
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _hold(self, key, value):
        self._values[key] = (value, time.monotonic() + self._ttl)
