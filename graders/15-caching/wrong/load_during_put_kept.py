"""Loses: overtaken. A put disowns the loads of its key when it begins and not when it returns, so one that began during the write is kept and puts the old value over the new one.
May lose: write
"""
import asyncio
import time
from collections import OrderedDict


class Flight:
    """One read of the store and those who wait for it."""

    def __init__(self):
        self.waiters = []

    def wait(self):
        future = asyncio.get_running_loop().create_future()
        self.waiters.append(future)
        return future

    def land(self, value):
        for future in self.waiters:
            if not future.done():
                future.set_result(value)

    def crash(self, error):
        for future in self.waiters:
            if not future.done():
                future.set_exception(error)


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.entries = OrderedDict()
        self.flights = {}
        self.running = set()

    async def get(self, key: str) -> bytes | None:
        entry = self.entries.get(key)
        if entry is not None:
            self.entries.move_to_end(key)
            if time.monotonic() - entry[1] < self.ttl:
                return entry[0]
        flight = self.flights.get(key)
        if flight is None:
            flight = self.flights[key] = Flight()
            task = asyncio.create_task(self.fly(key, flight))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        return await flight.wait()

    async def fly(self, key, flight):
        try:
            value = await self.store.read(key)
        except Exception as error:
            entry = self.entries.get(key)
            if self.flights.get(key) is flight:
                del self.flights[key]
                if entry is not None and time.monotonic() - entry[1] < self.ttl + self.grace:
                    flight.land(entry[0])
                    return
            flight.crash(error)
        else:
            if self.flights.get(key) is flight:
                del self.flights[key]
                self.keep(key, value)
            flight.land(value)

    def keep(self, key, value):
        self.entries[key] = (value, time.monotonic())
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        # What is being loaded now will be out of date.
        self.flights.pop(key, None)
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.flights.pop(key, None)
        self.entries.pop(key, None)
