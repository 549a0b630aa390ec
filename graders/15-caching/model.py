"""The operations that properties are played with, and the model that one is checked against."""

from collections import OrderedDict
from itertools import count

from hypothesis import strategies as st

from kata.grading import settle


def operations(verbs, keys, waits, length=14):
    """Sequences of `(seconds to wait first, verb, key)`.

    To `rest` is a verb too: the smallest failing sequence is padded with rests, which leave no trace.
    """
    step = st.tuples(st.sampled_from([0, *waits]), st.sampled_from(["rest", *verbs]), st.sampled_from(keys))
    return st.lists(step, min_size=length, max_size=length)


def overlap(cache, store, clock, steps):
    """Begin one operation after another without waiting for any; the gets, as `(key, when it began, call)`.

    A load takes 5 s and a write 1 s, so that either may overtake the other. Ends when all of them have.
    """
    gets, others, versions = [], [], count(2)
    with store.slow(seconds=1):
        for seconds, verb, key in steps:
            clock.advance(seconds)
            match verb:
                case "get":
                    with store.slow(seconds=4):
                        gets.append((key, clock.now, cache.get.start(key)))
                        clock.advance(0)
                case "put":
                    others.append(cache.put.start(key, b"v%d" % next(versions)))
                case "change":
                    store[key] = b"v%d" % next(versions)
                    others.append(cache.invalidate.start(key))
        settle(others + [get for _, _, get in gets])
    return gets


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
