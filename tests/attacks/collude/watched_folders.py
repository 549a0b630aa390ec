"""Tries: to be told by the kernel when another process looks into a folder that both may read.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
Control: in `process` the signal comes.
"""

import fcntl
import os
import signal

seen = []
signal.signal(signal.SIGIO, lambda *values: seen.append(values))
folder = os.path.dirname(os.__file__)
descriptor = os.open(folder, os.O_RDONLY)
try:
    fcntl.fcntl(descriptor, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MULTISHOT)
except OSError:
    pass
os.listdir(folder)
if seen:
    print("BREACH", len(seen))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
