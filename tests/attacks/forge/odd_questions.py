"""Tries: to break the grader's store with odd arguments, so that its checks count as broken and not as failed.
Against: 15-caching (hit, errors, flat-cost, write)
Must: score at most 0; unmet; says /raised|expected .*, got /; within 60 s
"""

ODD = [None, [], {}, float("nan"), 10**400, b"key", ("a",), object(), "x" * 70_000, "\ud800", "\0", print]


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        for each in ODD:
            for ask in (self.store.read, self.store.write):
                for arguments in ((each,), (each, each), (key, each), ()):
                    try:
                        await ask(*arguments)
                    except Exception:
                        pass
            try:
                await self.store.read(key=each, **{"odd": each})
            except Exception:
                pass

    put = invalidate = get
