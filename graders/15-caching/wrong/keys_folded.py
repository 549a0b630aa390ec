"""Loses: hit. Keys are stripped and case-folded before the look-up, so a get of "Concert:7" is answered with what is held for "concert:7".
May lose: write, overtaken, lru, single-flight
"""
import asyncio
import collections
import time


def canonical(key):
    """One spelling per key, so that we don't hold the same row twice."""
    return key.strip().casefold()


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.capacity, self.grace = store, ttl, capacity, grace
        self.held = collections.OrderedDict()
        self.pending = {}

    async def get(self, key):
        name = canonical(key)
        item = self.held.get(name)
        if item is not None:
            self.held.move_to_end(name)
            value, since = item
            if time.monotonic() - since < self.ttl:
                return value
        while True:
            fut = self.pending.get(name)
            if fut is None:
                return await self.lead(key, name)
            ok, value = await asyncio.shield(fut)
            if ok:
                return value
            # The leader was cancelled. Whoever wakes first takes over.
            item = self.held.get(name)
            if item is not None and time.monotonic() - item[1] < self.ttl:
                return item[0]

    async def lead(self, key, name):
        fut = self.pending[name] = asyncio.get_running_loop().create_future()
        try:
            value = await self.store.read(key)
        except asyncio.CancelledError:
            self.unlist(name, fut)
            fut.set_result((False, None))
            raise
        except Exception as exc:
            item = self.held.get(name)
            self.unlist(name, fut)
            if item is not None and time.monotonic() - item[1] < self.ttl + self.grace:
                fut.set_result((True, item[0]))
                return item[0]
            fut.set_exception(exc)
            fut.exception()         # nobody else may be listening
            raise
        if self.unlist(name, fut):
            self.keep(name, value)
        fut.set_result((True, value))
        return value

    def unlist(self, name, fut):
        if self.pending.get(name) is fut:
            del self.pending[name]
            return True
        return False

    def keep(self, name, value):
        self.held[name] = (value, time.monotonic())
        self.held.move_to_end(name)
        if len(self.held) > self.capacity:
            self.held.popitem(last=False)

    async def put(self, key, value):
        name = canonical(key)
        try:
            await self.store.write(key, value)
        except BaseException:
            self.forget(name)
            raise
        self.forget(name)
        self.keep(name, value)

    async def invalidate(self, key):
        self.forget(canonical(key))

    def forget(self, name):
        self.pending.pop(name, None)
        self.held.pop(name, None)
