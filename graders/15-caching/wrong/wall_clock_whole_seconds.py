"""Loses: wall-clock, fresh. Ages are differences of int(time.time()), so setting the clock changes them and fractions of a second are lost.
May lose: grace, hit, write
"""
import asyncio
import time
from collections import OrderedDict


def now():
    return int(time.time())


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.values = OrderedDict()
        self.stamps = {}
        self.loads = {}

    def age(self, key):
        return now() - self.stamps[key]

    async def get(self, key: str) -> bytes | None:
        if key in self.values:
            self.values.move_to_end(key)
            if self.age(key) < self.ttl:
                return self.values[key]
        if key not in self.loads:
            self.loads[key] = asyncio.create_task(self.load(key))
        return await asyncio.shield(self.loads[key])

    async def load(self, key):
        me = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            if key in self.values and self.age(key) < self.ttl + self.grace:
                return self.values[key]
            raise
        else:
            if self.loads.get(key) is me:
                self.set(key, value)
            return value
        finally:
            if self.loads.get(key) is me:
                del self.loads[key]

    def set(self, key, value):
        self.values[key] = value
        self.values.move_to_end(key)
        self.stamps[key] = now()
        while len(self.values) > self.capacity:
            oldest, _ = self.values.popitem(last=False)
            del self.stamps[oldest]

    def drop(self, key):
        self.loads.pop(key, None)
        self.values.pop(key, None)
        self.stamps.pop(key, None)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            self.drop(key)
            raise
        self.drop(key)
        self.set(key, value)

    async def invalidate(self, key: str) -> None:
        self.drop(key)
