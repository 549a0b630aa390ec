"""Tries: to print without end on stdout.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped/
"""


class Counter:
    def add(self, amount):
        while True:
            print("all work and no play " * 1000)
