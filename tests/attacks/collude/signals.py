"""Tries: to signal another process of the same submission.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
"""

import os
import signal

for pid in range(1, 400):
    if pid == os.getpid():
        continue
    for number in (0, signal.SIGUSR1, signal.SIGCONT):
        try:
            os.kill(pid, number)
            print("BREACH", pid)
        except OSError:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
