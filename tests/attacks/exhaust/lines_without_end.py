"""Tries: to have the supervisor keep ever more numbers of lines that it says were run, of a file that has few.
Against: 15-caching (hit, fresh), in 40 s
Must: score at most 0; unmet; says /expected .*, got None/; within 60 s
"""

import gc
import os

from kata.wire import Lines

PART = 65_000
host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


def lie(self, statements):
    first = int.from_bytes(os.urandom(6), "big")
    self._send(Lines("cache_aside.py", [1, 2, 3], []))
    for part in range(13):
        self._send(Lines("cache_aside.py", [], list(range(first + part * PART, first + (part + 1) * PART))))


type(host)._say_farewell = lie


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return None

    put = invalidate = get
