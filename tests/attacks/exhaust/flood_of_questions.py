"""Tries: to keep the supervisor busy with millions of questions that cost itself next to nothing.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /still busy|sent one turn of more than|read all that|was stopped/; within 25 s
"""

import gc

import msgspec

from kata.wire import Ask, Idle, More, Turn, frame

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
QUESTIONS = [Ask(number, 1, "read", ["ada"], {}) for number in range(40_000)]
FRAME = frame(msgspec.msgpack.encode(Turn(QUESTIONS, More())))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        for _ in range(60):
            host._connection.sendall(FRAME)

    put = invalidate = get
