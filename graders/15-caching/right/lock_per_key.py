"""Design: a lock for each key, under which all take turns, and which keeps what the last turn brought."""

import asyncio
import time
import weakref


class Turns:
    """The turns of one key, and what the last one brought: a value, an error, or nothing to go by."""

    def __init__(self):
        self.lock = asyncio.Lock()
        self.count = 0
        self.dropped = 0
        self.value = self.error = None
        self.known = False

    def settle(self, value=None, error=None):
        self.count += 1
        self.value, self.error, self.known = value, error, True

    def drop(self):
        self.dropped += 1
        self.known = False


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
                return await self.load(key, turns)
            if turns.error is not None:
                raise turns.error
            return turns.value

    async def put(self, key, value):
        turns = self.turns_of(key)
        async with turns.lock:
            try:
                await self.store.write(key, value)
            except BaseException:
                await self.invalidate(key)
                raise
            self.keep(key, value)
            turns.settle(value)

    async def invalidate(self, key):
        self.held.pop(key, None)
        self.turns_of(key).drop()

    async def load(self, key, turns):
        dropped = turns.dropped
        try:
            value = await self.store.read(key)
        except Exception as error:
            entry = self.held.get(key)
            if entry is None or self.age(entry) >= self.ttl + self.grace:
                if turns.dropped == dropped:
                    turns.settle(error=error)
                raise
            value = entry[0]
        else:
            if turns.dropped == dropped:
                self.keep(key, value)
        if turns.dropped == dropped:
            turns.settle(value)
        return value

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
