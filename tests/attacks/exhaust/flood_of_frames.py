"""Tries: to speak for ever in one turn: every frame says that another follows.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /sent one turn of more than/
"""

import gc

import msgspec

from kata.wire import More, Turn, frame

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
MORE = frame(msgspec.msgpack.encode(Turn([], More())))


class Counter:
    def add(self, amount):
        while True:
            host._connection.sendall(MORE * 1000)
