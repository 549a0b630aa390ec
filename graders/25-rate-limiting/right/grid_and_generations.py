"""Design: windows on a grid, logs in whole nanoseconds with running sums, two generations of keys; calls of one key on one server take turns."""

import asyncio
import bisect
import struct
import time
from contextlib import asynccontextmanager
from typing import NamedTuple


class Decision(NamedTuple):
    allowed: bool
    remaining: int
    retry_after: float | None


class Generations:
    """What was used in this stretch of time or the one before is there; what is older goes all at once."""

    def __init__(self, lifetime_ns):
        self.lifetime_ns = lifetime_ns
        self.young, self.old = {}, {}
        self.turn = None

    def at(self, now):
        turn = now // self.lifetime_ns
        if turn != self.turn:
            self.old = self.young if self.turn is not None and turn == self.turn + 1 else {}
            self.young = {}
            self.turn = turn
        return self

    def get(self, key):
        return self.young.get(key) or self.old.get(key)

    def set(self, key, value):
        self.young[key] = value


def check(cost):
    if not cost >= 1:
        raise ValueError("cost")


class FixedWindow:
    def __init__(self, limit, window):
        self.limit, self.window_ns = limit, int(window * 10**9)
        self.index, self.spent = None, {}

    def allow(self, key, cost=1):
        check(cost)
        now = time.monotonic_ns()
        index, into = divmod(now, self.window_ns)
        if index != self.index:
            self.index, self.spent = index, {}
        left = self.limit - self.spent.get(key, 0)
        if cost <= left:
            self.spent[key] = self.limit - left + cost
            return Decision(True, left - cost, 0.0)
        return Decision(False, left, (self.window_ns - into) / 10**9 if cost <= self.limit else None)


class SlidingWindow:
    def __init__(self, limit, window):
        self.limit, self.window_ns = limit, int(window * 10**9)
        self.keys = Generations(self.window_ns)

    def allow(self, key, cost=1):
        check(cost)
        now = time.monotonic_ns()
        keys = self.keys.at(now)
        # Times, and what had been spent in all by then: times[i] goes with totals[i]; base was spent before times[0].
        times, totals, base = keys.get(key) or ([], [], 0)
        gone = bisect.bisect_right(times, now - self.window_ns)
        if gone:
            base = totals[gone - 1]
        total = totals[-1] if totals else base
        left = self.limit - (total - base)
        if cost <= left:
            keys.set(key, (times[gone:] + [now], totals[gone:] + [total + cost], base))
            return Decision(True, left - cost, 0.0)
        if cost > self.limit:
            return Decision(False, left, None)
        last = bisect.bisect_left(totals, base + cost - left)
        return Decision(False, left, (times[last] + self.window_ns - now) / 10**9)


class TokenBucket:
    """Keeps for each key the moment at which its bucket would be full: the generic cell rate algorithm."""

    def __init__(self, capacity, rate):
        self.capacity, self.token_ns = capacity, 10**9 / rate
        self.keys = Generations(max(1, int(capacity * self.token_ns)))

    def allow(self, key, cost=1):
        check(cost)
        now = time.monotonic_ns()
        keys = self.keys.at(now)
        decision, full_at = take(max(now, keys.get(key) or 0), now, cost, self.capacity, self.token_ns)
        if decision.allowed:
            keys.set(key, full_at)
        return decision


def take(full_at, now, cost, capacity, token_ns):
    held = capacity - (full_at - now) / token_ns + 1e-6
    if cost <= held:
        return Decision(True, int(held - cost), 0.0), full_at + cost * token_ns
    return Decision(False, int(held), None if cost > capacity else (cost - held) * token_ns / 10**9), full_at


class SharedTokenBucket:
    def __init__(self, store, capacity, rate, *, fail_open, timeout):
        self.store, self.capacity, self.token_ns = store, capacity, 10**9 / rate
        self.timeout = timeout
        self.policy = Decision(True, 0, 0.0) if fail_open else Decision(False, 0, timeout)
        self.turns = {}  # key -> [lock, how many hold it or wait for it]

    async def allow(self, key, cost=1):
        check(cost)
        if cost > self.capacity:
            return Decision(False, 0, None)
        deadline = asyncio.get_running_loop().time() + self.timeout
        try:
            async with asyncio.timeout_at(deadline), self.turn(key):
                return await self.decide(key, cost)
        except (TimeoutError, ConnectionError):
            return self.policy

    @asynccontextmanager
    async def turn(self, key):
        entry = self.turns.setdefault(key, [asyncio.Lock(), 0])
        entry[1] += 1
        try:
            async with entry[0]:
                yield
        finally:
            entry[1] -= 1
            if not entry[1]:
                del self.turns[key]

    async def decide(self, key, cost):
        while True:
            value, version, seconds = await self.store.read(key)
            now = int(seconds * 10**9)
            full_at = now if value is None else max(now, struct.unpack("<q", value)[0])
            decision, full_at = take(full_at, now, cost, self.capacity, self.token_ns)
            if not decision.allowed:
                return decision
            debt = (full_at - now) / 10**9
            if await self.store.compare_and_set(key, version, struct.pack("<q", int(full_at)), debt + 0.25):
                return decision
