"""Tries: to hang only when its process is about to be ended and asked which lines it ran.
Against: 15-caching (hit, fresh, write)
Must: score at most 0; unmet; says /expected .*, got None/; within 25 s
"""

import gc
import signal

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
type(host)._say_farewell = lambda self, statements: signal.pause()


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        return None

    put = invalidate = get
