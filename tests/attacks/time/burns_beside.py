"""Tries: to slow down whoever is graded on the same machine: four processes burn CPU time.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /was stopped|used up|got None/; within 40 s
"""

import os

for _ in range(4):
    if os.fork() == 0:
        while True:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        for _ in range(500_000):
            pass

    put = invalidate = get
