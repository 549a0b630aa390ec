"""Tries: to have the report drown in an exception: thousands of causes, frames, notes and names.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /raised /
"""

import sys

sys.setrecursionlimit(20_000)


class Counter:
    def add(self, amount, depth=9_000):
        if depth:
            try:
                return self.add(amount, depth - 1)
            except Exception as error:
                if depth % 100 == 0:
                    raise type("E" * 5_000, (type(error),), {})("n" * 10_000) from error
                raise
        raise ExceptionGroup("g" * 100_000, [ValueError("v" * 1000) for _ in range(2_000)])
