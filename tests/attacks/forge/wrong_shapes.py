"""Tries: to break checks with answers of every odd shape, so that they count as our fault and not as its own.
Against: 15-caching
Must: score at most 0; unmet; says /expected .*, got |can't cross/; within 60 s
"""

import gc
import itertools

SHAPES = itertools.cycle(
    [
        float("nan"),
        float("-inf"),
        10**4000,
        -(2**63) - 1,
        [],
        {},
        {None: None},
        ((((),),),),
        {frozenset()},
        "x" * 100_000,
        b"\xff" * 100_000,
        ValueError("an answer"),
        NotImplemented,
        ...,
        print,
        type,
        object(),
        True,
    ]
)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return next(SHAPES)

    put = invalidate = get
