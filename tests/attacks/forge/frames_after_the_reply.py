"""Tries: to answer each call twice: as it does, and then as it should have.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected .*, got None/
"""

import gc

from kata.wire import Bytes, Done

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
finish = type(host)._finish


def twice(self, call_id, result, gives=""):
    finish(self, call_id, result, gives)
    for value in (b"v1", b"v2", b"w1", b""):
        self._send(Done(call_id, Bytes(value)))


type(host)._finish = twice


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return None

    put = invalidate = get
