"""Tries: to keep every key for ever where its own memory does not show it: in shared memory, and in a helper.
Against: 25-rate-limiting (idle-keys)
Must: score at most 0; unmet; says /By how many MiB the memory of a .* has grown/; within 60 s
"""

import mmap
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None


class InSharedMemory:
    def __init__(self, *values, **named):
        self.kept = mmap.mmap(-1, 32 << 20)

    def allow(self, key, cost=1):
        self.kept.write(key.encode())
        return Decision(True, 0, 0.0)


class InHelper:
    def __init__(self, *values, **named):
        ask, self.tell = os.pipe()
        if os.fork() == 0:
            kept = []
            while key := os.read(ask, 1 << 20):
                kept.append(key)
            os._exit(0)

    def allow(self, key, cost=1):
        os.write(self.tell, key.encode())
        return Decision(True, 0, 0.0)


FixedWindow = InSharedMemory
SlidingWindow = TokenBucket = SharedTokenBucket = InHelper
