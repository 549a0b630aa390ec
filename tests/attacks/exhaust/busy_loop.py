"""Tries: to compute for ever, without one system call.
Against: 01-toy
Must: score at most 0; unmet; says /was stopped on line \\d+/
"""


class Counter:
    def add(self, amount):
        while True:
            amount += 1
