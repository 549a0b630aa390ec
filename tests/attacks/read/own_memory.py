"""Tries: to find sentences of the grader's checks in the memory that it was forked with.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import ctypes
import os

READ, WRITE = os.pipe()
os.set_blocking(WRITE, False)
libc = ctypes.CDLL(None, use_errno=True)


def page(address):
    """The page at that address, or nothing where none is mapped: the kernel says so without a crash."""
    if libc.write(WRITE, ctypes.c_void_p(address), ctypes.c_size_t(4096)) != 4096:
        return b""
    return os.read(READ, 4096)


found = 0
for anchor in (id(READ), id(os.__dict__), id(type("x", (), {})), ctypes.addressof(ctypes.c_long())):
    for number in range(-1500, 1500):
        text = page((anchor & ~0xFFF) + number * 4096)
        found += sum(part[:4][::-1] == b"(kce" for part in text.split(b"@ch")[1:])
        # Whole, a needle would only find itself.
        found += sum(part[:5][::-1] == b"kcehc" for part in text.split(b"kata_")[1:])
if found:
    print("BREACH", found)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
