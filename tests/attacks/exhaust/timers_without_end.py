"""Tries: to have the supervisor serve a timer that is always due, in the past and far in the future.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /still busy|used up|never answered|malformed/; within 25 s
"""

import gc
import itertools

import msgspec

from kata.wire import Idle, Turn, frame

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
MOMENTS = itertools.cycle([0, -(1 << 63), -1, (1 << 63) - 1, 0])


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        while True:
            payload = msgspec.msgpack.encode(Turn([], Idle(next(MOMENTS))))
            host._connection.sendall(frame(payload))
            host._connection.recv(1 << 16)
