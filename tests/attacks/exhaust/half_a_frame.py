"""Tries: to have the supervisor wait for ever for the second half of a frame.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped/
"""

import gc
import signal

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class Counter:
    def add(self, amount):
        host._connection.sendall(b"\x00\x00\x10\x00half")
        signal.pause()
