"""Design: a lock for each key, under which loads, puts and invalidates take turns; what a turn brought is left for those who waited."""

import asyncio
import time
import weakref


class Turns:
    """The turns of one key, and what the last load or put brought: a value, an error, or nothing to go by."""

    def __init__(self):
        self.lock = asyncio.Lock()
        self.count = 0
        self.value = None
        self.error = None
        self.known = False

    def settle(self, value=None, error=None):
        self.count += 1
        self.value, self.error, self.known = value, error, True


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.ttl, self.capacity, self.grace = store, ttl, capacity, grace
        self.held = {}  # key: (value, loaded at); a dict keeps the order of insertion, here of use
        self.turns = weakref.WeakValueDictionary()

    async def get(self, key):
        entry = self.held.pop(key, None)
        if entry is not None:
            self.held[key] = entry
            if self.age(entry) < self.ttl:
                return entry[0]
        turns = self.turns_of(key)
        begun = turns.count
        async with turns.lock:
            if not turns.known or turns.count == begun:
                await self.load(key, turns)
        if turns.error is not None:
            raise turns.error
        return turns.value

    async def put(self, key, value):
        turns = self.turns_of(key)
        async with turns.lock:
            try:
                await self.store.write(key, value)
            except BaseException:
                self.held.pop(key, None)
                turns.known = False
                raise
            self.keep(key, value)
            turns.settle(value)

    async def invalidate(self, key):
        self.held.pop(key, None)
        turns = self.turns_of(key)
        async with turns.lock:
            self.held.pop(key, None)
            turns.known = False

    async def load(self, key, turns):
        try:
            value = await self.store.read(key)
        except Exception as error:
            entry = self.held.get(key)
            if entry is not None and self.age(entry) < self.ttl + self.grace:
                turns.settle(entry[0])
            else:
                turns.settle(error=error)
        else:
            self.keep(key, value)
            turns.settle(value)

    def turns_of(self, key):
        turns = self.turns.get(key)
        if turns is None:
            turns = self.turns[key] = Turns()
        return turns

    def keep(self, key, value):
        self.held.pop(key, None)
        self.held[key] = (value, time.monotonic())
        while len(self.held) > self.capacity:
            del self.held[next(iter(self.held))]

    def age(self, entry):
        return time.monotonic() - entry[1]
