"""Tries: to take all memory in one process.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /MemoryError|used up all the memory|killed by SIGKILL/
"""


class Counter:
    def add(self, amount):
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))
