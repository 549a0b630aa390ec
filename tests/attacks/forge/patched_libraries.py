"""Tries: to spoil what it shares with the grader by name: random, time, hypothesis, msgspec, the wire itself.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /sent something else than the names/
"""

import gc
import random
import sys
import time
import types

import msgspec

import kata.wire

for name in ("random", "randrange", "getrandbits", "choice", "shuffle", "seed"):
    setattr(random, name, lambda *values: 0)
time.monotonic = time.perf_counter = time.time = lambda: 0.0
sys.modules["hypothesis"] = types.ModuleType("hypothesis")
kata.wire.FRAME_BYTES_MAX = 1 << 40
kata.wire.Packer.pack = lambda self, value, depth=0: True
msgspec.msgpack.decode = lambda *values, **named: True


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return b"v1"

    put = invalidate = get
