"""Tries: to answer calls that have not been made yet, by guessing their numbers.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected .*, got None/
"""

import gc

from kata.wire import Bytes, Done

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
give = type(host)._give_turn


def talk(self, timeout):
    self._outbox.extend(Done(number, Bytes(b"v1")) for number in range(1, 2_000))
    give(self, timeout)


host._loop._selector._give_turn = talk.__get__(host)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return None

    put = invalidate = get
