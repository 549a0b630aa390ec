"""Loses: errors. A load that failed stays in the table of loads, so every later get of its key is given the old error and the store isn't asked again.
May lose: grace, failed-write
"""
import asyncio
import functools
import time
from collections import OrderedDict


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl, self.grace = ttl, grace
        self.capacity = capacity
        self.entries = OrderedDict()
        self.tasks = {}

    async def get(self, key: str) -> bytes | None:
        entry = self.entries.get(key)
        if entry is not None:
            self.entries.move_to_end(key)
            if time.monotonic() - entry["at"] < self.ttl:
                return entry["value"]
        task = self.tasks.get(key)
        if task is None:
            task = asyncio.create_task(self.fetch(key))
            self.tasks[key] = task
            task.add_done_callback(functools.partial(self.finished, key))
        return await asyncio.shield(task)

    def finished(self, key, task):
        if task.cancelled() or task.exception() is not None:
            return                      # those who wait are told by the task itself
        if self.tasks.get(key) is task:
            del self.tasks[key]

    async def fetch(self, key):
        task = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except ConnectionError:
            entry = self.entries.get(key)
            if entry is not None and time.monotonic() - entry["at"] < self.ttl + self.grace:
                return entry["value"]
            raise
        if self.tasks.get(key) is task:
            self.keep(key, value)
        return value

    def keep(self, key, value):
        self.entries[key] = {"value": value, "at": time.monotonic()}
        self.entries.move_to_end(key)
        while len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.tasks.pop(key, None)
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.tasks.pop(key, None)
        self.entries.pop(key, None)
