"""Loses: fresh. A value is still served when its age is exactly ttl, because expiry is tested with `<=`.
May lose: single-flight, grace, wall-clock
"""
import asyncio
from collections import OrderedDict


class Slot:
    __slots__ = ("value", "expires", "dies")

    def __init__(self, value, now, ttl, grace):
        self.value = value
        self.expires = now + ttl
        self.dies = now + ttl + grace


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.grace = grace
        self.capacity = capacity
        self.slots = OrderedDict()
        self.tasks = {}

    @staticmethod
    def now():
        return asyncio.get_running_loop().time()

    async def get(self, key: str) -> bytes | None:
        slot = self.slots.get(key)
        if slot is not None:
            self.slots.move_to_end(key)
            if self.now() <= slot.expires:
                return slot.value

        task = self.tasks.get(key)
        if task is None:
            task = self.tasks[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(self._swallow)
        return await asyncio.shield(task)

    @staticmethod
    def _swallow(task):
        if not task.cancelled():
            task.exception()

    async def _load(self, key):
        task = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            current = self.tasks.get(key) is task
            if current:
                del self.tasks[key]
                slot = self.slots.get(key)
                if slot is not None and self.now() < slot.dies:
                    return slot.value
            raise
        if self.tasks.get(key) is task:
            del self.tasks[key]
            self._store(key, value)
        return value

    def _store(self, key, value):
        self.slots[key] = Slot(value, self.now(), self.ttl, self.grace)
        self.slots.move_to_end(key)
        while len(self.slots) > self.capacity:
            self.slots.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        else:
            self.tasks.pop(key, None)
            self._store(key, value)

    async def invalidate(self, key: str) -> None:
        self.slots.pop(key, None)
        self.tasks.pop(key, None)
