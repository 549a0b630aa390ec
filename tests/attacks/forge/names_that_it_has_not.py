"""Tries: to pass for a submission that defines everything, with names of every kind.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /has no attribute|raised AttributeError/
"""

import gc

from kata.wire import Done

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
NAMES = ["CacheAside", "\x1b[2J", "x" * 5_000, "\n100/100", "__class__", ""] * 80


def finish(self, call_id, result, gives=""):
    self._send(Done(call_id, self._packer.pack(NAMES if call_id == 0 else result)))


type(host)._finish = finish
