"""Loses: fresh. Each hit re-inserts the value with the present time, so reading a value makes it younger and a popular one never expires.
May lose: grace
"""
import asyncio
import time


class CacheAside:
    # A plain dict keeps insertion order: pop and re-insert to make a key the youngest, the first
    # key of the dict is the least recently used.

    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.data = {}
        self.inflight = {}

    def _insert(self, key, value):
        self.data.pop(key, None)
        self.data[key] = (value, time.monotonic())
        if len(self.data) > self.capacity:
            del self.data[next(iter(self.data))]

    async def get(self, key):
        if key in self.data:
            value, since = self.data[key]
            if time.monotonic() - since < self.ttl:
                self._insert(key, value)        # most recently used now
                return value
            self.data[key] = self.data.pop(key)
        if key in self.inflight:
            return await asyncio.shield(self.inflight[key])
        task = asyncio.ensure_future(self._load(key))
        self.inflight[key] = task
        return await asyncio.shield(task)

    async def _load(self, key):
        me = asyncio.current_task()
        try:
            value = await self.store.read(key)
        except Exception as error:
            if self.inflight.get(key) is me and key in self.data:
                old, since = self.data[key]
                if time.monotonic() - since < self.ttl + self.grace:
                    return old
            raise error
        else:
            if self.inflight.get(key) is me:
                self._insert(key, value)
            return value
        finally:
            if self.inflight.get(key) is me:
                del self.inflight[key]

    async def put(self, key, value):
        try:
            await self.store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        self._insert(key, value)

    async def invalidate(self, key):
        self._forget(key)

    def _forget(self, key):
        self.inflight.pop(key, None)
        self.data.pop(key, None)
