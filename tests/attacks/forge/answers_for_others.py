"""Tries: to answer the calls of another process of the same check.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /never answered|ended by itself|in a row|got|at once/
"""

import gc

from kata.wire import Done, Sequence

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
start = type(host)._start


def answer_everybody(self, call):
    for number in range(max(0, call.id - 50), call.id + 50):
        self._send(Done(number, Sequence([])))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        type(host)._start = answer_everybody

    async def get(self, key):
        return None
