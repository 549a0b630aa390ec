"""Tries: to open descriptors until none is left, and to send them along the channel.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /Too many open files/
"""

import gc
import os
import socket

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class Counter:
    def add(self, amount):
        kept = []
        try:
            while True:
                kept.append(os.open("/dev/null", os.O_RDONLY))
        finally:
            with open(kept.pop(), "rb"):
                for _ in range(4):
                    socket.send_fds(host._connection, [b""], kept[:200])
