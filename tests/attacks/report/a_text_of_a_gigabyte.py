"""Tries: to have the report hold more than anybody can open: in exceptions, names, answers, prints and sources.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised E+/
"""

LONG = "x" * (40 << 20)
print(LONG[: 4 << 20])


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print(LONG[: 4 << 20])
        raise type("E" * 100_000, (Exception,), {})(LONG)
