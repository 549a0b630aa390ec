"""Tries: to break the account of lines that were run, with files and lines that do not exist.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /expected .*, got None/
"""

import gc

from kata.wire import Lines

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


def lie(self, statements):
    self._send(Lines("../../etc/passwd", [1, 2, 3], [-1, 0, 1 << 62]))
    self._send(Lines("cache_aside.py", [-5, 0, 1 << 62], [1 << 63]))
    self._send(Lines("<script>", [], []))


type(host)._say_farewell = lie


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return None

    put = invalidate = get
