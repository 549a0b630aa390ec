"""Tries: to send a frame so slowly that it never looks stuck: a byte, a little work, a byte.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped/; within 25 s
"""

import ctypes
import gc

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
libc = ctypes.CDLL(None)


class Counter:
    def add(self, amount):
        host._connection.sendall(b"\x00\x10\x00\x00")
        while True:
            libc.usleep(50_000)
            sum(range(20_000))
            host._connection.sendall(b"x")
