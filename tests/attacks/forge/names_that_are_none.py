"""Tries: to confuse what looks at the names that it defines, with thousands of near misses.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /does not define CacheAside/
"""

for number in range(20_000):
    globals()["CacheAsid" + "e" * (number % 7) + str(number)] = number
globals()["\x1b[31mCacheAside"] = globals()["<b>CacheAside</b>"] = globals()["CacheAside\n"] = None
globals()["CacheAsidé"] = None
