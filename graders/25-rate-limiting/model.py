"""The answers that a right limiter may give: as values to compare with, and as a model of each algorithm.

A model knows every answer that some right limiter gives, and follows the one that was given. Where the statement leaves
a choice (where a window begins, the last 10 ms before an edge) it has more than one.
"""

import math

from hypothesis import strategies as st

from kata.wire import Record

MOMENT = 1 / 64
"""Seconds; a little more than the precision that is asked for, and exact in binary."""
PRECISION = 0.01
LONG = 1_000_000
"""Seconds; nobody is told to wait for longer."""


class Between:
    """Equals every number within the two bounds, which are widened by the precision that is asked for."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __eq__(self, other):
        is_number = isinstance(other, int | float) and not isinstance(other, bool)
        return is_number and self.low - PRECISION <= other <= self.high + PRECISION

    def __repr__(self):
        if self.low == self.high:
            return f"{self.low:g}"
        if self.high == LONG:
            return f"({self.low:g} or more)"
        return f"(from {self.low:g} to {self.high:g})"


def about(seconds):
    """Equals what is that many seconds, to within 10 ms."""
    return Between(seconds, seconds)


def admitted(remaining):
    """The answer to a call that is let in."""
    return Record("Decision", allowed=True, remaining=remaining, retry_after=0.0)


def denied(remaining, retry_after):
    """The answer to a call that is not; None: for good."""
    if isinstance(retry_after, int | float):
        retry_after = about(retry_after)
    return Record("Decision", allowed=False, remaining=remaining, retry_after=retry_after)


SOME = Between(0, LONG)


def decided(answer):
    """The answer, which must be a decision."""
    assert is_decision(answer), "whether what allow gives is a Decision(allowed, remaining, retry_after)"
    return answer


def is_decision(answer):
    return (
        isinstance(answer, Record)
        and list(answer._fields) == ["allowed", "remaining", "retry_after"]
        and isinstance(answer.allowed, bool)
        and isinstance(answer.remaining, int)
        and (answer.retry_after is None or isinstance(answer.retry_after, int | float))
    )


def wait_of(decision, remaining=SOME):
    """The `retry_after` of what must be a denial, but not for good."""
    assert decision == denied(remaining, SOME)
    return decision.retry_after


def policy(fail_open, timeout=5):
    """The answer of a shared limiter that could not ask."""
    return admitted(0) if fail_open else denied(0, timeout)


def drain(limiter, clock, key, ask=1, quota=5):
    """Spend a whole quota, at least a quarter of a second before its window ends; how long cost `ask` must wait."""
    while True:
        assert limiter.allow(key, quota) == admitted(0)
        wait = wait_of(limiter.allow(key, ask))
        if wait > 0.25:
            return wait
        clock.advance(wait + MOMENT)


def steps(waits, costs, keys=("ada", "ada", "bob"), length=30):
    """Sequences of `(seconds to wait first, key, cost)`."""
    step = st.tuples(st.sampled_from(waits), st.sampled_from(keys), st.sampled_from(costs))
    return st.lists(step, min_size=length, max_size=length)


def play(limiters, model, clock, sequence):
    """Make the calls one after another, at each limiter in turn; each answer must be one that the model has."""
    for number, (seconds, key, cost) in enumerate(sequence):
        clock.advance(seconds)
        decision = limiters[number % len(limiters)].allow(key, cost)
        outcomes = model.outcomes(clock.now, key, cost)
        assert decision in list({repr(answer): answer for answer, _ in outcomes}.values())
        model.states[key] = next(state for answer, state in outcomes if answer == decision)


class FixedWindowModel:
    """Of each key: between which two moments its latest window began, and what was spent in it."""

    def __init__(self, limit, window):
        self._limit, self._window = limit, window
        self.states = {}

    def outcomes(self, now, key, cost):
        """Every answer that is right now, with the key's state after it."""
        known = self.states.get(key)
        found = []
        if known is None or now > known[0] + self._window - PRECISION:
            earliest = now - self._window if known is None else max(now - self._window, known[0] + self._window)
            found.append(self._outcome(now, known, cost, earliest, max(now, earliest), 0))
        if known is not None and now < known[1] + self._window + PRECISION:
            found.append(self._outcome(now, known, cost, max(known[0], now - self._window), *known[1:]))
        return found

    def _outcome(self, now, known, cost, earliest, latest, spent):
        """The answer in a window that began between those moments."""
        left = self._limit - spent
        if cost <= left:
            return admitted(left - cost), (earliest, latest, spent + cost)
        if cost > self._limit:
            return denied(left, None), known
        end = self._window - now
        return denied(left, Between(max(0, earliest + end), max(0, latest + end))), known


class SlidingWindowModel:
    """Of each key: when which costs were admitted."""

    def __init__(self, limit, window):
        self._limit, self._window = limit, window
        self.states = {}

    def outcomes(self, now, key, cost):
        """Every answer that is right now, with the key's log after it."""
        log = self.states.get(key, [])
        horizons = {now - self._window - PRECISION, now - self._window + PRECISION}
        found = []
        for recent in [[call for call in log if call[0] > horizon] for horizon in horizons]:
            left = self._limit - sum(spent for _, spent in recent)
            if cost <= left:
                found.append((admitted(left - cost), [*recent, (now, cost)]))
            else:
                found.append((denied(left, self._wait(now, recent, cost - left, cost)), log))
        return found

    def _wait(self, now, recent, lacking, cost):
        if cost > self._limit:
            return None
        for at, spent in recent:
            lacking -= spent
            if lacking <= 0:
                return max(0.0, at + self._window - now)
        raise AssertionError


class TokenBucketModel:
    """Of each key: how many tokens were left by the last call that was admitted, and when that was."""

    def __init__(self, capacity, rate):
        self._capacity, self._rate = capacity, rate
        self.states = {}

    def outcomes(self, now, key, cost):
        """Every answer that is right now, with the key's bucket after it."""
        tokens, then = self.states.get(key, (self._capacity, -math.inf))
        level = tokens + (now - then) * self._rate
        slack = PRECISION * self._rate if now > then else 0
        return [self._outcome(now, (tokens, then), cost, level, off) for off in (0, -slack, slack)]

    def _outcome(self, now, known, cost, level, off):
        """The answer of a bucket that is off by so much."""
        held = min(self._capacity, level + off)
        if cost <= held:
            return admitted(math.floor(held - cost)), (max(0, min(self._capacity, level) - cost), now)
        wait = None if cost > self._capacity else (cost - held) / self._rate
        return denied(math.floor(held), wait), known
