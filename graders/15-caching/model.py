"""Two models that properties are checked against, and the operations that they are played with."""

from collections import OrderedDict

from hypothesis import strategies as st


def operations(verbs, keys, waits, at_most=12):
    """Sequences of `(verb, key)` and `("wait", seconds)`."""
    key_steps = st.tuples(st.sampled_from(verbs), st.sampled_from(keys))
    wait_steps = st.tuples(st.just("wait"), st.sampled_from(waits))
    return st.lists(key_steps | wait_steps, min_size=3, max_size=at_most)


class History:
    """What a store has held for each key, and when each value was replaced."""

    def __init__(self, store, clock, keys):
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
        """The values that the store held for `key` at any time after `moment`."""
        self.observe()
        return {self._now[key]} | {value for value, gone in self._replaced[key] if gone > moment}


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
