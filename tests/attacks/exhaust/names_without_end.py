"""Tries: to keep the supervisor busy with the names that it says it defines, thousands of near misses, and one of a megabyte.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /does not define CacheAside/; within 20 s
"""

import gc

from kata.wire import Done, Sequence

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
NAMES = ["C" * 100_000, *(f"CacheAsid{number % 1000:03d}" for number in range(60_000))]


def finish(self, call_id, result, gives=""):
    self._send(Done(call_id, Sequence(NAMES) if call_id == 0 else self._packer.pack(result)))


type(host)._finish = finish
