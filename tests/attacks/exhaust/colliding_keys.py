"""Tries: to keep the supervisor busy for minutes with one set, whose items all have the same hash.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /its answer is a set whose keys collide/; within 20 s
"""

PRIME = 2**61 - 1


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        import gc

        from kata.wire import BigInteger, Done, Set

        host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
        items = [BigInteger(format(PRIME * (number + (1 << 10)) + 7, "x")) for number in range(40_000)]

        def finish(self, call_id, result, gives=""):
            self._send(Done(call_id, Set(items, False)))

        type(host)._finish = finish

    put = invalidate = get
