"""Tries: the same with locks of ranges, which carry a number each: where the range begins.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
Control: in `process` the lock is seen.
"""

import fcntl
import os
import struct

F_OFD_GETLK, F_OFD_SETLK = 36, 37
file = os.open(os.__file__, os.O_RDONLY)
ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 4711, 1, 0)
for command in (fcntl.F_GETLK, F_OFD_GETLK):
    try:
        kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, command, ask))
    except OSError:
        continue
    if kind == fcntl.F_RDLCK and start == 4711:
        print("BREACH", command, pid)
for command in (fcntl.F_SETLK, F_OFD_SETLK):
    try:
        fcntl.fcntl(file, command, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 4711, 1, 0))
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
