"""Tries: to become root in namespaces of its own, and from there to mount, pivot and trace.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /it stays where it is/
"""

import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
UNSHARE, SETNS, CLONE3, CLONE = (272, 308, 435, 56) if platform.machine() == "x86_64" else (97, 268, 435, 220)
KINDS = (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x00000080)


def call(number, *arguments):
    return libc.syscall(*(ctypes.c_long(each) for each in (number, *arguments)))


for kind in KINDS:
    if call(UNSHARE, kind) == 0:
        print("BREACH unshare", hex(kind))
    if kind != 0x80:
        child = call(CLONE, kind | 17, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        if child > 0:
            print("BREACH clone", hex(kind))
for pid in (1, os.getppid()):
    for name in ("user", "mnt", "net", "pid"):
        try:
            descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError:
            continue
        if call(SETNS, descriptor, 0) == 0:
            print("BREACH setns", name)
arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
child = call(CLONE3, ctypes.addressof(arguments), 88)
if child == 0:
    os._exit(0)
if child > 0:
    print("BREACH clone3")


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("it stays where it is")
