"""Design: the algorithms of the pyrate-limiter package, in whole milliseconds, over dictionaries of their states."""

import asyncio
import time
from dataclasses import dataclass

import pyrate_limiter as pyrate


@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None


def milliseconds() -> int:
    return time.monotonic_ns() // 1_000_000


def checked(cost: int) -> int:
    if cost < 1:
        raise ValueError("a cost is a positive number")
    return cost


class _Logs:
    """One in-memory bucket of the package a key, leaked at every call, and dropped when it is empty."""

    algorithm: pyrate.LogAlgorithm

    def __init__(self, limit: int, window: float) -> None:
        self.rate = pyrate.Rate(limit, round(window * 1000))
        self.buckets: dict[str, pyrate.InMemoryBucket] = {}
        self.calls = 0

    def allow(self, key: str, cost: int = 1) -> Decision:
        checked(cost)
        now = milliseconds()
        self.calls += 1
        if self.calls % 256 == 0:
            for bucket in self.buckets.values():
                bucket.leak(now)
            self.buckets = {key: bucket for key, bucket in self.buckets.items() if bucket.count()}
        bucket = self.buckets.get(key) or pyrate.InMemoryBucket([self.rate], self.algorithm)
        bucket.leak(now)
        if cost > self.rate.limit:
            return Decision(False, self.rate.limit - bucket.count(), None)
        allowed = bucket.put(pyrate.RateItem(key, now, cost))
        remaining = self.rate.limit - bucket.count()
        if not allowed:
            blocking = bucket.peek(self.rate.limit - cost)
            wait = self.algorithm.retry_after(self.rate, now, blocking and blocking.timestamp)
            return Decision(False, remaining, wait / 1000)
        self.buckets[key] = bucket
        return Decision(True, remaining, 0.0)


class FixedWindow(_Logs):
    algorithm = pyrate.FixedWindow()


class SlidingWindow(_Logs):
    algorithm = pyrate.SlidingWindowLog()


class _Bucket:
    """The package's generic cell rate algorithm: a state is the moment at which a bucket is full, in microseconds."""

    def __init__(self, capacity: int, rate: float) -> None:
        self.algorithm = pyrate.TokenBucket()
        self.rates = [pyrate.Rate(1_000_000, round(1e9 / rate), burst=capacity)]
        self.capacity = capacity

    def step(self, state, now: int, cost: int):
        after, verdict = self.algorithm.step(self.rates, state or self.algorithm.initial(self.rates), now, cost)
        remaining = max(0, self.capacity - self.algorithm.consumed(self.rates, after, now))
        if verdict.allowed:
            return after, Decision(True, remaining, 0.0)
        never = verdict.retry_after_ms is None
        return state, Decision(False, remaining, None if never else verdict.retry_after_ms / 1000)

    def seconds_until_full(self, state, now: int) -> float:
        return max(0.0, state[0] / 1e6 - now / 1e3)


class TokenBucket:
    def __init__(self, capacity: int, rate: float) -> None:
        self.bucket = _Bucket(capacity, rate)
        self.states = {}
        self.calls = 0

    def allow(self, key: str, cost: int = 1) -> Decision:
        checked(cost)
        now = milliseconds()
        state, decision = self.bucket.step(self.states.get(key), now, cost)
        if decision.allowed:
            self.states[key] = state
            self.calls += 1
            if self.calls % 300 == 0:
                full = [key for key, state in self.states.items() if not self.bucket.seconds_until_full(state, now)]
                for key in full:
                    del self.states[key]
        return decision


class SharedTokenBucket:
    def __init__(self, store, capacity: int, rate: float, *, fail_open: bool, timeout: float) -> None:
        self.store = store
        self.bucket = _Bucket(capacity, rate)
        self.timeout = timeout
        self.policy = Decision(True, 0, 0.0) if fail_open else Decision(False, 0, timeout)

    async def allow(self, key: str, cost: int = 1) -> Decision:
        if checked(cost) > self.bucket.capacity:
            return Decision(False, 0, None)
        task = asyncio.create_task(self.decide(key, cost))
        done, _ = await asyncio.wait([task], timeout=self.timeout)
        if not done:
            task.cancel()
            return self.policy
        try:
            return task.result()
        except ConnectionError:
            return self.policy

    async def decide(self, key: str, cost: int) -> Decision:
        while True:
            value, version, seconds = await self.store.read(key)
            now = int(seconds * 1000)
            state = None if value is None else (int(value),)
            after, decision = self.bucket.step(state, now, cost)
            if not decision.allowed:
                return decision
            ttl = self.bucket.seconds_until_full(after, now) + 0.1
            if await self.store.compare_and_set(key, version, b"%d" % after[0], ttl):
                return decision
