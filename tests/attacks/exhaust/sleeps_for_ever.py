"""Tries: to block its process in a real sleep that virtual time does not reach.
Against: 01-toy
Must: score at most 0; unmet; says /was stopped/; within 25 s
"""

import ctypes

sleep = ctypes.CDLL(None).sleep


class Counter:
    def add(self, amount):
        sleep(1_000_000)
