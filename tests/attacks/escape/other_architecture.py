"""Tries: to make forbidden system calls by the numbers of another architecture.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /killed by SIGSYS|killed by SIGSEGV|nothing was open/

int 0x80 on x86_64 speaks with the numbers of 32-bit programs, among which 310 is unshare.
"""

import ctypes
import mmap
import platform


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        if platform.machine() != "x86_64":
            raise PermissionError("nothing was open")
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        # mov eax, 310; mov ebx, 0x10000000; int 0x80; ret
        page.write(b"\xb8\x36\x01\x00\x00\xbb\x00\x00\x00\x10\xcd\x80\xc3")
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        if ctypes.CFUNCTYPE(ctypes.c_int)(start)() == 0:
            print("BREACH unshared")
