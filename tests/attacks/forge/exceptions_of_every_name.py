"""Tries: to satisfy every check that expects an error with one exception that claims all their names.
Against: 15-caching (errors, hit)
Must: score at most 0; unmet; says /raised Exception/
"""

import gc

from kata.wire import Error, Failed

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
NAMES = [
    "Exception",
    "ConnectionError",
    "OSError",
    "TimeoutError",
    "CheckFailed",
    "Inconclusive",
    "Skipped",
    "KeyError",
]


def fail(self, call_id, error):
    self._send(Failed(call_id, Error(NAMES, "the store can't be reached", [])))


type(host)._fail = fail


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        raise ValueError

    put = invalidate = get
