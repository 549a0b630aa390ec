"""Tries: to keep state over the end of its process: unnamed files, keys, System V, a daemon that holds a pipe.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /nothing is remembered/
"""

import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
ADD_KEY, KEYCTL, MEMFD, SHMGET = (248, 250, 319, 29) if X86 else (217, 219, 279, 194)
if libc.syscall(ctypes.c_long(ADD_KEY), b"user", b"kata", b"word", ctypes.c_long(4), ctypes.c_long(-3)) >= 0:
    print("BREACH key")
if libc.syscall(ctypes.c_long(KEYCTL), ctypes.c_long(0), ctypes.c_long(-5), ctypes.c_long(1)) >= 0:
    print("BREACH keyring")
if libc.syscall(ctypes.c_long(MEMFD), b"kata", ctypes.c_long(0)) >= 0:
    print("BREACH memfd")
if libc.syscall(ctypes.c_long(SHMGET), ctypes.c_long(4711), ctypes.c_long(4096), ctypes.c_long(0o1666)) >= 0:
    print("BREACH shm")
if os.path.exists("remembered") or os.path.exists("submission/remembered"):
    print("BREACH a file of an earlier process")
for name in ("remembered", "submission/remembered"):
    with open(name, "w") as file:
        file.write("x")


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing is remembered")
