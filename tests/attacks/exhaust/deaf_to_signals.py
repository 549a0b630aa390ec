"""Tries: to outlive its end: every signal blocked or ignored, handlers that start it again.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped/
"""

import os
import signal

for number in range(1, 65):
    try:
        signal.signal(number, lambda *values: os.fork())
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))


class Counter:
    def add(self, amount):
        while True:
            pass
