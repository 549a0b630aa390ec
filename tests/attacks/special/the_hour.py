"""Tries: to know by the clock which check it is in: each would begin at another hour.
Against: 15-caching (hit, fresh, write)
Must: score at most 0; unmet; says /the hour is one/

What the clocks show at first depends on the seed alone; it prints them, and they are the same in every check.
"""

import time

print("HOUR", time.monotonic(), time.time())


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("the hour is one")
