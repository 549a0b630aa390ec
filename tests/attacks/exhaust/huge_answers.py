"""Tries: to answer with more than any frame may hold.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /can't cross|a message of/
"""


class Counter:
    def add(self, amount):
        return "x" * (30 << 20)
