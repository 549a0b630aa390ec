"""Tries: to write without end to stderr, from many threads, past Python's own buffers.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped|used up/
"""

import os
import threading


def flood():
    while True:
        os.write(2, b"\xff\x00\x1b[2J" * 4096)


class Counter:
    def add(self, amount):
        for _ in range(6):
            threading.Thread(target=flood).start()
        flood()
