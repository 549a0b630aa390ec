"""Tries: to keep the supervisor busy with a million words about its lines, each of which concerns a megabyte.
Against: 15-caching (hit), in 40 s
Must: score at most 0; unmet; says /expected .*, got None/; within 60 s
"""

MAIN = """
import gc

import msgspec

from kata.wire import Idle, Lines, More, Turn, frame

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
LINES = [Lines("cache_aside.py", [1], [1])] * 40_000


def say(self, statements):
    for _ in range(7):
        self._connection.sendall(frame(msgspec.msgpack.encode(Turn(LINES, More()))))


type(host)._say_farewell = say


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return None

    put = invalidate = get
"""


def build(folder):
    (folder / "cache_aside.py").write_text(MAIN + "#" * 1_000_000 + "\n")
    return folder
