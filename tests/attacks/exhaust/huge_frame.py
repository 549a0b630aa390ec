"""Tries: to announce a frame of four gigabytes.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /sent a message of 4,294,967,295 bytes/
"""

import gc

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class Counter:
    def add(self, amount):
        host._connection.sendall(b"\xff\xff\xff\xff" + bytes(1 << 16))
