"""Tries: to use up the number of files, so that the second process of a check can't start: our fault, it hopes.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /used up what all of them share|raised NotImplementedError/
Inside: says /kept running without an answer|raised NotImplementedError/

Nothing bounds the number of files inside: its CPU time does.
"""

import os

number = 0
try:
    while number < 100_000:
        os.close(os.open(f"n{number}", os.O_CREAT))
        number += 1
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":
            raise NotImplementedError
        return await self.store.read(key)
