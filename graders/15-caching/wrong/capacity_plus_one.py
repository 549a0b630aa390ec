"""Loses: lru, full-of-loads. Room is made before the insertion and with `>`, so capacity + 1 keys are held."""
import asyncio
import time
from collections import OrderedDict


class LRU:
    """The least recently used key is at the front."""

    def __init__(self, size):
        self.size = size
        self.items = OrderedDict()

    def find(self, key):
        item = self.items.get(key)
        if item is not None:
            self.items.move_to_end(key)
        return item

    def peek(self, key):
        return self.items.get(key)

    def add(self, key, item):
        if key not in self.items:
            while len(self.items) > self.size:
                self.items.popitem(last=False)
        self.items[key] = item
        self.items.move_to_end(key)

    def discard(self, key):
        self.items.pop(key, None)


class Flights:
    """Loads under way, one per key."""

    def __init__(self):
        self.tasks = {}

    def join_or_start(self, key, start):
        task = self.tasks.get(key)
        if task is None:
            task = self.tasks[key] = asyncio.create_task(start(key))
        return asyncio.shield(task)

    def is_current(self, key):
        return self.tasks.get(key) is asyncio.current_task()

    def end(self, key):
        if self.is_current(key):
            del self.tasks[key]

    def disown(self, key):
        self.tasks.pop(key, None)


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.grace = grace
        self.lru = LRU(capacity)
        self.flights = Flights()

    async def get(self, key: str) -> bytes | None:
        item = self.lru.find(key)
        if item is not None:
            value, since = item
            if time.monotonic() - since < self.ttl:
                return value
        return await self.flights.join_or_start(key, self.load)

    async def load(self, key):
        try:
            value = await self.store.read(key)
            if self.flights.is_current(key):
                self.lru.add(key, (value, time.monotonic()))
            return value
        except ConnectionError:
            item = self.lru.peek(key)
            if item is None or time.monotonic() - item[1] >= self.ttl + self.grace:
                raise
            return item[0]
        finally:
            self.flights.end(key)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.flights.disown(key)
        self.lru.add(key, (value, time.monotonic()))

    async def invalidate(self, key: str) -> None:
        self.flights.disown(key)
        self.lru.discard(key)
