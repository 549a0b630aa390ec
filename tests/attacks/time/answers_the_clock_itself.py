"""Tries: to take the supervisor's place: it sets its own clock forward, and never lets a timer or a sleep wait.
Against: 15-caching (fresh, side-by-side, wall-clock)
Must: score at most 8; unmet; says /expected|before|got/

The 8 points are for loads side by side, which it does.
"""

import gc

from kata.student import clock
from kata.wire import Idle

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
set_time = clock.set_time
clock.set_time = lambda monotonic_ns, wall_ns: set_time(monotonic_ns + 10**15, wall_ns + 10**15)
exchange = type(host)._exchange


def hasty(self, state):
    exchange(self, Idle(0) if isinstance(state, Idle) and state.timer_ns else state)


type(host)._exchange = hasty


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held = store, {}

    async def get(self, key):
        if key not in self.held:
            self.held[key] = None
            self.held[key] = await self.store.read(key)
        return self.held[key]

    async def put(self, key, value):
        self.held[key] = value
        await self.store.write(key, value)

    async def invalidate(self, key):
        pass
