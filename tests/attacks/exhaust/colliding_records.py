"""Tries: the same with records, whose hash is ours.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /expected .*, got|collide/; within 20 s
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    x: int


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return {Point(number) for number in range(6_000)}

    put = invalidate = get
