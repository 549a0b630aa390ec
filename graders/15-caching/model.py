"""The operations that properties are played with, and the two models that they are checked against."""

from collections import OrderedDict
from itertools import count

from hypothesis import strategies as st

from kata.grading import settle


def operations(verbs, keys, waits, length=9):
    """Sequences of `(seconds to wait first, verb, key)`.

    To `rest` is a verb too: the smallest failing sequence is padded with rests, which leave no trace.
    """
    step = st.tuples(st.sampled_from([0, *waits]), st.sampled_from(["rest", *verbs]), st.sampled_from(keys))
    return st.lists(step, min_size=length, max_size=length)


def overlap(cache, store, clock, history, steps):
    """Begin one operation after another without waiting for any; the gets, as `(key, when it began, call)`.

    A load takes 5 s and a write 1 s, so that either may overtake the other. Ends when all of them have.
    """
    gets, others, versions = [], [], count(2)
    with store.slow(seconds=1):
        for seconds, verb, key in steps:
            history.follow(seconds)
            match verb:
                case "get":
                    with store.slow(seconds=4):
                        gets.append((key, clock.now, cache.get.start(key)))
                        clock.advance(0)
                case "put":
                    others.append(cache.put.start(key, b"v%d" % next(versions)))
                case "change":
                    store[key] = b"v%d" % next(versions)
                    history.observe()
                    others.append(cache.invalidate.start(key))
        calls = others + [get for _, _, get in gets]
        for _ in range(6 + 2 * len(others)):
            if not all(call.done for call in calls):
                history.follow(seconds=1)
    settle(calls)
    return gets


class History:
    """What a store has held for each key, and when each value was replaced."""

    def __init__(self, store, clock, keys=("ada", "bob")):
        self._store, self._clock = store, clock
        self._now = {key: store[key] for key in keys}
        self._replaced = {key: [] for key in keys}

    def observe(self):
        """Note what changed in the store since the last look, as of now."""
        for key, old in self._now.items():
            if self._store[key] != old:
                self._replaced[key].append((old, self._clock.now))
                self._now[key] = self._store[key]

    def follow(self, seconds):
        """Let time pass in whole seconds, and note what changes."""
        for _ in range(seconds):
            self._clock.advance(1)
            self.observe()

    def held_since(self, key, moment):
        """The values that the store held for `key` at any time after `moment`, in that order."""
        self.observe()
        return [value for value, gone in self._replaced[key] if gone > moment] + [self._now[key]]


class LeastRecentlyUsed:
    """Which keys a cache of so many places holds, while no TTL ends."""

    def __init__(self, capacity):
        self._capacity = capacity
        self._held = OrderedDict()

    def __contains__(self, key):
        return key in self._held

    def use(self, key):
        self._held[key] = True
        self._held.move_to_end(key)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def drop(self, key):
        self._held.pop(key, None)
