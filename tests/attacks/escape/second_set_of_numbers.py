"""Tries: to make forbidden system calls by the numbers of the x32 interface.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was open/
"""

import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
if platform.machine() == "x86_64":
    for number in (41, 272, 165, 321, 425, 319, 29, 521, 539):
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(0x40000000 | number), *(ctypes.c_long(each) for each in (1, 1, 0, 0, 0, 0)))
        if result >= 0:
            print("BREACH", number)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("nothing was open")
