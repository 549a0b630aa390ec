"""Design: the strategies of the limits package for both windows, over a storage that goes by the monotonic clock; buckets by hand."""

import asyncio
import json
import time
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter


@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None


class Window(RateLimitItemPerSecond):
    """A limit in a window whose length need not be a whole number of seconds."""

    __slots__ = ["length"]

    def __init__(self, limit, seconds):
        super().__init__(limit)
        self.length = seconds

    def get_expiry(self):
        return self.length

    def key_for(self, *identifiers):
        return identifiers[0]


class MonotonicStorage(Storage, MovingWindowSupport):
    STORAGE_SCHEME = None

    def __init__(self):
        super().__init__()
        self.counters = {}  # key -> [count, end of its window]
        self.logs = {}  # key -> [(time, until)], one entry for each unit, the oldest first
        self.changes = 0

    @property
    def base_exceptions(self):
        return ValueError

    def incr(self, key, expiry, amount=1):
        now = time.monotonic()
        self.sweep(now)
        counter = self.counters.get(key)
        if counter is None or now >= counter[1]:
            counter = self.counters[key] = [0, now + expiry]
        counter[0] += amount
        return counter[0]

    def get(self, key):
        count, end = self.counters.get(key, (0, 0))
        return count if time.monotonic() < end else 0

    def get_expiry(self, key):
        return self.counters[key][1] if key in self.counters else time.monotonic()

    def check(self):
        return True

    def reset(self):
        self.counters.clear()
        self.logs.clear()

    def clear(self, key):
        self.counters.pop(key, None)
        self.logs.pop(key, None)

    def acquire_entry(self, key, limit, expiry, amount=1):
        now = time.monotonic()
        log = self.recent(key, now)
        if len(log) + amount > limit:
            return False
        self.sweep(now)
        self.logs[key] = log + [(now, now + expiry)] * amount
        return True

    def get_moving_window(self, key, limit, expiry):
        now = time.monotonic()
        log = self.recent(key, now)
        return (log[0][0] if log else now), len(log)

    def recent(self, key, now):
        return [entry for entry in self.logs.get(key, ()) if entry[1] > now]

    def sweep(self, now):
        """From time to time, drop what is over."""
        self.changes += 1
        if self.changes % 500 == 0:
            self.counters = {key: counter for key, counter in self.counters.items() if counter[1] > now}
            self.logs = {key: log for key, log in self.logs.items() if log[-1][1] > now}


def positive(cost):
    if cost < 1:
        raise ValueError(f"cost must be positive, got {cost}")


class FixedWindow:
    def __init__(self, limit, window):
        self.item = Window(limit, window)
        self.storage = MonotonicStorage()
        self.limiter = FixedWindowRateLimiter(self.storage)

    def allow(self, key, cost=1):
        positive(cost)
        admitted = self.limiter.test(self.item, key, cost=cost) and self.limiter.hit(self.item, key, cost=cost)
        stats = self.limiter.get_window_stats(self.item, key)
        if admitted:
            return Decision(True, stats.remaining, 0.0)
        never = cost > self.item.amount
        return Decision(False, stats.remaining, None if never else stats.reset_time - time.monotonic())


class SlidingWindow:
    def __init__(self, limit, window):
        self.item = Window(limit, window)
        self.storage = MonotonicStorage()
        self.limiter = MovingWindowRateLimiter(self.storage)

    def allow(self, key, cost=1):
        positive(cost)
        if cost > self.item.amount:
            return Decision(False, self.limiter.get_window_stats(self.item, key).remaining, None)
        if self.limiter.hit(self.item, key, cost=cost):
            return Decision(True, self.limiter.get_window_stats(self.item, key).remaining, 0.0)
        now = time.monotonic()
        log = self.storage.recent(key, now)
        left = self.item.amount - len(log)
        return Decision(False, left, log[cost - left - 1][1] - now)


class TokenBucket:
    def __init__(self, capacity, rate):
        self.capacity, self.rate = capacity, rate
        self.full_at = {}  # key -> when its bucket is full again

    def allow(self, key, cost=1):
        positive(cost)
        now = time.monotonic()
        missing = max(0.0, self.full_at.get(key, now) - now) * self.rate
        held = self.capacity - missing
        if cost > held + 1e-9:
            return Decision(False, int(held + 1e-9), None if cost > self.capacity else (cost - held) / self.rate)
        self.full_at[key] = now + (missing + cost) / self.rate
        if len(self.full_at) % 400 == 0:
            self.full_at = {key: full for key, full in self.full_at.items() if full > now}
        return Decision(True, int(held - cost + 1e-9), 0.0)


class SharedTokenBucket:
    def __init__(self, store, capacity, rate, *, fail_open, timeout):
        self.store, self.capacity, self.rate, self.timeout = store, capacity, rate, timeout
        self.fallback = Decision(True, 0, 0.0) if fail_open else Decision(False, 0, timeout)

    async def allow(self, key, cost=1):
        positive(cost)
        if cost > self.capacity:
            return Decision(False, 0, None)
        try:
            return await asyncio.wait_for(self.ask(key, cost), self.timeout)
        except (ConnectionError, TimeoutError):
            return self.fallback

    async def ask(self, key, cost):
        while True:
            value, version, now = await self.store.read(key)
            full_at = now if value is None else max(now, json.loads(value))
            held = self.capacity - (full_at - now) * self.rate
            if cost > held + 1e-6:
                return Decision(False, int(held + 1e-6), (cost - held) / self.rate)
            full_at += cost / self.rate
            if await self.store.compare_and_set(key, version, json.dumps(full_at).encode(), full_at - now + 0.5):
                return Decision(True, int(held - cost + 1e-6), 0.0)
