"""Loses: quota, shared. Of a key the first 64 characters count."""

import asyncio
import itertools
import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DROPS_PER_CALL = 2
"""More than the one key that a call can add, so that old keys leave faster than new ones come."""


@dataclass(frozen=True)
class Decision:
    """What a limiter answers: whether the call is admitted, the largest cost that still would be, seconds to wait."""

    allowed: bool
    remaining: int
    retry_after: float | None


class _Keys:
    """What is known of each key, in the order of last use; what nobody asked about for `lifetime` seconds may go."""

    def __init__(self, lifetime: float, fresh: Callable[[], Any]) -> None:
        self._lifetime = lifetime
        self._fresh = fresh
        self._states: OrderedDict[str, tuple[float, Any]] = OrderedDict()  # key -> (last use, state)

    def state(self, key: str) -> Any:
        """What is known of `key`; it isn't kept before `keep`."""
        return self._states[key][1] if key in self._states else self._fresh()

    def keep(self, key: str, state: Any, now: float) -> None:
        self._states[key] = (now, state)
        self._states.move_to_end(key)
        for _ in range(DROPS_PER_CALL):
            oldest = next(iter(self._states))
            if now - self._states[oldest][0] < self._lifetime:
                return
            del self._states[oldest]


class FixedWindow:
    """Windows begin with the first call that finds none open."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit, self._window = limit, window
        self._keys = _Keys(window, lambda: (float("-inf"), 0))

    def allow(self, key: str, cost: int = 1) -> Decision:
        _check(cost)
        key = key[:64]
        now = time.monotonic()
        begin, spent = self._keys.state(key)
        if now - begin >= self._window:
            begin, spent = now, 0
        if spent + cost > self._limit:
            never = cost > self._limit
            return Decision(False, self._limit - spent, None if never else begin + self._window - now)
        self._keys.keep(key, (begin, spent + cost), now)
        return Decision(True, self._limit - spent - cost, 0.0)


@dataclass
class _Log:
    """Of one key: the admitted calls that still count, as (time, cost), the oldest first, and the sum of the costs."""

    calls: deque[tuple[float, int]] = field(default_factory=deque)
    spent: int = 0

    def drop_until(self, moment: float) -> None:
        while self.calls and self.calls[0][0] <= moment:
            self.spent -= self.calls.popleft()[1]

    def add(self, now: float, cost: int) -> None:
        self.calls.append((now, cost))
        self.spent += cost

    def last_to_go(self, lacking: int) -> float:
        """When the last of those oldest calls came that together cost `lacking`, or more."""
        sums = itertools.accumulate(cost for _, cost in self.calls)
        return next(at for (at, _), freed in zip(self.calls, sums, strict=True) if freed >= lacking)


class SlidingWindow:
    """A log of the admitted calls of the last `window` seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit, self._window = limit, window
        self._keys = _Keys(window, _Log)

    def allow(self, key: str, cost: int = 1) -> Decision:
        _check(cost)
        key = key[:64]
        now = time.monotonic()
        log = self._keys.state(key)
        log.drop_until(now - self._window)
        left = self._limit - log.spent
        if cost <= left:
            log.add(now, cost)
            self._keys.keep(key, log, now)
            return Decision(True, left - cost, 0.0)
        if cost > self._limit:
            return Decision(False, left, None)
        return Decision(False, left, log.last_to_go(cost - left) + self._window - now)


class TokenBucket:
    """For each key the number of tokens at the last admission, and when that was."""

    def __init__(self, capacity: int, rate: float) -> None:
        self._capacity, self._rate = capacity, rate
        self._keys = _Keys(capacity / rate, lambda: (capacity, 0.0))

    def allow(self, key: str, cost: int = 1) -> Decision:
        _check(cost)
        key = key[:64]
        now = time.monotonic()
        decision, tokens = _take(*self._keys.state(key), now, cost, self._capacity, self._rate)
        if decision.allowed:
            self._keys.keep(key, (tokens, now), now)
        return decision


class SharedTokenBucket:
    """The same two numbers, in a store: read, decide, and compare-and-set until nobody came between."""

    def __init__(self, store: Any, capacity: int, rate: float, *, fail_open: bool, timeout: float) -> None:
        self._store = store
        self._capacity, self._rate = capacity, rate
        self._timeout = timeout
        self._policy = Decision(True, 0, 0.0) if fail_open else Decision(False, 0, timeout)

    async def allow(self, key: str, cost: int = 1) -> Decision:
        _check(cost)
        key = key[:64]
        if cost > self._capacity:
            return Decision(False, 0, None)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._decide(key, cost)
        except (ConnectionError, TimeoutError):
            return self._policy

    async def _decide(self, key: str, cost: int) -> Decision:
        while True:
            value, version, now = await self._store.read(key)
            tokens, then = (self._capacity, now) if value is None else json.loads(value)
            decision, tokens = _take(tokens, then, now, cost, self._capacity, self._rate)
            if not decision.allowed:
                return decision
            ttl = (self._capacity - tokens) / self._rate + 1
            if await self._store.compare_and_set(key, version, json.dumps([tokens, now]).encode(), ttl):
                return decision


def _take(tokens: float, then: float, now: float, cost: int, capacity: int, rate: float) -> tuple[Decision, float]:
    """Take `cost` out of a bucket that held `tokens` at the time `then`: the decision, and what it holds now."""
    tokens = min(capacity, tokens + (now - then) * rate)
    if cost <= tokens:
        return Decision(True, int(tokens - cost), 0.0), tokens - cost
    return Decision(False, int(tokens), None if cost > capacity else (cost - tokens) / rate), tokens


def _check(cost: int) -> None:
    if cost < 1:
        raise ValueError(f"a cost is at least 1, not {cost}")
