"""Tries: to write without end to the channel.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /sent (a message of|one turn of|a malformed)/
"""

import gc
import os

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class Counter:
    def add(self, amount):
        while True:
            host._connection.sendall(b"\x7f" * 65536)
