"""Loses: full-of-loads. A load takes a place in the LRU order when it begins, so with more loads than capacity some are evicted while under way: their keys are read again and their answers not kept.
May lose: lru, single-flight, errors
"""
import asyncio
import time
from collections import OrderedDict


class Slot:
    """What is known of one key: a value, a load under way, or both."""

    def __init__(self):
        self.has_value = False
        self.value = None
        self.since = 0.0
        self.task = None

    def younger_than(self, seconds):
        return self.has_value and time.monotonic() - self.since < seconds

    def fill(self, value):
        self.has_value = True
        self.value = value
        self.since = time.monotonic()


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.slots = OrderedDict()

    def place(self, key, slot):
        self.slots[key] = slot
        self.slots.move_to_end(key)
        while len(self.slots) > self.capacity:
            self.slots.popitem(last=False)

    async def get(self, key: str) -> bytes | None:
        slot = self.slots.get(key)
        if slot is None:
            slot = Slot()
            self.place(key, slot)
        else:
            self.slots.move_to_end(key)
            if slot.younger_than(self.ttl):
                return slot.value
        if slot.task is None:
            slot.task = asyncio.create_task(self.load(key, slot))
        return await asyncio.shield(slot.task)

    async def load(self, key, slot):
        try:
            value = await self.store.read(key)
        except ConnectionError:
            if slot.younger_than(self.ttl + self.grace):
                return slot.value
            if self.slots.get(key) is slot:
                del self.slots[key]
            raise
        else:
            # If the slot was thrown out meanwhile, this changes nothing that a get can see.
            slot.fill(value)
            return value
        finally:
            slot.task = None

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        slot = Slot()
        slot.fill(value)
        self.place(key, slot)

    async def invalidate(self, key: str) -> None:
        self.slots.pop(key, None)
