"""Loses: idle-keys. Old keys are dropped from the front of a queue, and one there that is busy keeps all behind it.

May lose: sliding-window"""

import asyncio
import json
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None


EPS = 1e-6


def check_cost(cost):
    if cost < 1:
        raise ValueError("a cost is at least 1")


class FixedWindow:
    def __init__(self, limit, window):
        self.limit, self.window = limit, window
        self.keys = OrderedDict()  # key -> [end, spent], in the order of ends

    def allow(self, key, cost=1):
        check_cost(cost)
        now = time.monotonic()
        while self.keys:
            first = next(iter(self.keys))
            if self.keys[first][0] > now:
                break
            del self.keys[first]
        entry = self.keys.get(key)
        spent = entry[1] if entry else 0
        left = self.limit - spent
        if cost > self.limit:
            return Decision(False, left, None)
        if cost > left:
            return Decision(False, left, entry[0] - now)
        if entry is None:
            entry = self.keys[key] = [now + self.window, 0]
        entry[1] += cost
        return Decision(True, self.limit - entry[1], 0.0)


class Log:
    __slots__ = ("calls", "total")

    def __init__(self):
        self.calls = deque()  # (when it is forgotten, cost)
        self.total = 0


class SlidingWindow:
    def __init__(self, limit, window):
        self.limit, self.window = limit, window
        self.keys = OrderedDict()  # the least recently admitted first

    def _trim(self, log, now):
        while log.calls and log.calls[0][0] <= now:
            log.total -= log.calls.popleft()[1]

    def allow(self, key, cost=1):
        check_cost(cost)
        now = time.monotonic()
        while self.keys:
            first = next(iter(self.keys))
            if self.keys[first].calls[-1][0] > now:
                break
            del self.keys[first]
        log = self.keys.get(key)
        if log is None:
            left = self.limit
        else:
            self._trim(log, now)
            left = self.limit - log.total
        if cost > self.limit:
            return Decision(False, left, None)
        if cost > left:
            short = cost - left
            for when, freed in log.calls:
                short -= freed
                if short <= 0:
                    return Decision(False, left, when - now)
        if log is None:
            log = self.keys[key] = Log()
        log.calls.append((now + self.window, cost))
        log.total += cost
        return Decision(True, left - cost, 0.0)


class TokenBucket:
    def __init__(self, capacity, rate):
        self.capacity, self.rate = capacity, rate
        self.keys = OrderedDict()  # key -> (tokens, when), the least recently admitted first

    def allow(self, key, cost=1):
        check_cost(cost)
        now = time.monotonic()
        for _ in range(2):
            if not self.keys:
                break
            first = next(iter(self.keys))
            tokens, when = self.keys[first]
            if tokens + (now - when) * self.rate < self.capacity:
                break
            del self.keys[first]
        tokens, when = self.keys.get(key, (self.capacity, now))
        tokens = min(self.capacity, tokens + (now - when) * self.rate)
        if cost > self.capacity:
            return Decision(False, whole(tokens), None)
        if tokens + EPS < cost:
            return Decision(False, whole(tokens), (cost - tokens) / self.rate)
        tokens = max(0.0, tokens - cost)
        self.keys[key] = (tokens, now)
        self.keys.move_to_end(key)
        return Decision(True, whole(tokens), 0.0)


def whole(tokens):
    return int(tokens + EPS)


class SharedTokenBucket:
    def __init__(self, store, capacity, rate, *, fail_open, timeout):
        self.store, self.capacity, self.rate = store, capacity, rate
        self.fail_open, self.timeout = fail_open, timeout
        self.turns = {}

    async def allow(self, key, cost=1):
        check_cost(cost)
        if cost > self.capacity:
            return Decision(False, 0, None)
        try:
            async with asyncio.timeout(self.timeout):
                return await self._in_turn(key, cost)
        except (ConnectionError, TimeoutError):
            if self.fail_open:
                return Decision(True, 0, 0.0)
            return Decision(False, 0, self.timeout)

    async def _in_turn(self, key, cost):
        lock, users = self.turns.get(key, (None, 0))
        if lock is None:
            lock = asyncio.Lock()
        self.turns[key] = (lock, users + 1)
        try:
            async with lock:
                return await self._decide(key, cost)
        finally:
            lock, users = self.turns[key]
            if users == 1:
                del self.turns[key]
            else:
                self.turns[key] = (lock, users - 1)

    async def _decide(self, key, cost):
        while True:
            value, version, now = await self.store.read(key)
            if value is None:
                tokens = self.capacity
            else:
                tokens, when = json.loads(value)
                tokens = min(self.capacity, tokens + max(0.0, now - when) * self.rate)
            if tokens + EPS < cost:
                return Decision(False, whole(tokens), (cost - tokens) / self.rate)
            tokens = max(0.0, tokens - cost)
            ttl = (self.capacity - tokens) / self.rate + 0.5
            if await self.store.compare_and_set(key, version, json.dumps([tokens, now]).encode(), ttl):
                return Decision(True, whole(tokens), 0.0)
