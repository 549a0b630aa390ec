"""Tries: to have the last word: handlers that write verdicts when its process or its interpreter ends.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /ended by itself|sent a malformed message/
"""

import atexit
import gc
import os
import sys
import threading

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


def last_word():
    for number in range(1, 64):
        try:
            os.write(number, b"\x00\x00\x00\x01\xc0 100/100 met")
        except OSError:
            pass


atexit.register(last_word)
threading._register_atexit(last_word)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        last_word()
        host._connection.close()
        sys.exit(0)
