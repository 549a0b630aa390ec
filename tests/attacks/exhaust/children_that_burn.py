"""Tries: to burn CPU time in children, where its own clock does not see it, and to wait for them.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped|used up/; within 30 s
"""

import os


class Counter:
    def add(self, amount):
        for _ in range(8):
            if os.fork() == 0:
                while True:
                    pass
        os.wait()
