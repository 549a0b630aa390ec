"""Tries: to have the report scroll for ever.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised ValueError/
"""

print("\n" * 1_000_000)
print("line\n" * 100_000)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print("\n" * 1_000_000)
        raise ValueError("\n" * 100_000 + "\t" * 1000)
