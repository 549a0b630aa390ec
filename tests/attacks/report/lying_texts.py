"""Tries: to break who shows its exceptions: `__str__` that raises, loops, exits, answers with something else.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised Liar|ended by itself|can't cross/
"""


class Meta(type):
    def __repr__(cls):
        raise SystemExit(0)

    __str__ = __repr__


class Liar(Exception, metaclass=Meta):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__

    @property
    def args(self):
        raise RuntimeError("no arguments")


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise Liar("x")
