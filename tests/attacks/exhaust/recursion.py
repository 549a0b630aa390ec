"""Tries: to crash the interpreter by recursion, with the limit lifted.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /killed by SIGSEGV|RecursionError|MemoryError/
"""

import sys

sys.setrecursionlimit(1 << 30)


class Counter:
    def add(self, amount):
        class Deep:
            def __repr__(self):
                return repr(self)

        return repr(Deep())
