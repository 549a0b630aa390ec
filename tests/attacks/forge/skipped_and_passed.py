"""Tries: to have its checks skipped, exited or expected to fail, with the exceptions that test runners know.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised Skipped/
"""


class OutcomeException(BaseException):
    pass


class Exit(Exception):
    returncode = 0


class Skipped(OutcomeException, Exit):
    allow_module_level = True
    msg = "skipped"
    __module__ = "_pytest.outcomes"


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        raise Skipped("all tests passed")

    put = invalidate = get
