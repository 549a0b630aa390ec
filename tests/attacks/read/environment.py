"""Tries: to find a secret of the host in the environment, its own and the one that its memory still holds.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import ctypes
import os

print(dict(os.environ))
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
index = 0
while environ[index]:
    print(environ[index])
    index += 1
for name in os.environ:
    if name.startswith(("KATA_", "DOCKER", "AWS", "GITHUB", "SSH", "HOME", "XDG", "USER")):
        print("BREACH", name)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
