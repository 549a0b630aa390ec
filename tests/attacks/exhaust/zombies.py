"""Tries: to fill the table of processes with dead ones that nobody buries.
Against: 01-toy
Must: score at most 0; unmet; says /as many as it could/
"""

import os

count = 0
try:
    while count < 1_000:
        if os.fork() == 0:
            os._exit(0)
        count += 1
except OSError:
    pass


class Counter:
    def add(self, amount):
        raise ChildProcessError("as many as it could")
