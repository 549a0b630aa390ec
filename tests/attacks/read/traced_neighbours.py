"""Tries: to trace its parent and its neighbours, to read their memory, and to take their descriptors.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = platform.machine() == "x86_64"
PTRACE, READV, GETFD, PIDFD_OPEN = (101, 310, 438, 434) if X86 else (117, 270, 438, 434)
ATTACH, SEIZE = 16, 0x4206


def call(number, *arguments):
    return libc.syscall(*(ctypes.c_long(each) for each in (number, *arguments)))


buffer = ctypes.create_string_buffer(64)
local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
remote = (ctypes.c_size_t * 2)(0x400000, 64)
for pid in {os.getppid(), 1, 2, 3, 4, 5, 6, 7, 8, os.getpid() - 1, os.getpid() + 1} - {0, os.getpid()}:
    for request in (ATTACH, SEIZE):
        if call(PTRACE, request, pid, 0, 0) == 0:
            print("BREACH traced", pid)
    if call(READV, pid, ctypes.addressof(local), 1, ctypes.addressof(remote), 1, 0) > 0:
        print("BREACH read", pid)
    descriptor = call(PIDFD_OPEN, pid, 0)
    if descriptor >= 0:
        for number in range(8):
            if call(GETFD, descriptor, number, 0) >= 0:
                print("BREACH took descriptor", number, "of", pid)
        os.close(descriptor)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
