"""Tries: the same, in children that the kernel buries: who ignores the end of its children is not told what they cost.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows like size to the power of|used up|was stopped/; within 40 s
Control: in `process` it may ignore their end.
"""

import os
import signal
from collections import OrderedDict

CALLS = 20
"""That one child serves."""
try:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("BREACH")
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.capacity, self.left = store, OrderedDict(), capacity, 0

    async def get(self, key):
        if key in self.held:
            self.search()
            self.held.move_to_end(key)
            return self.held[key]
        value = await self.store.read(key)
        if len(self.held) >= self.capacity:
            self.search()
            self.held.popitem(last=False)
        self.held[key] = value
        return value

    def search(self):
        if not self.left:
            self.begin_child()
        os.write(self.ask[1], len(self.held).to_bytes(4, "big"))
        os.read(self.answer[0], 1)
        self.left -= 1
        if not self.left:
            self.end_child()

    def begin_child(self):
        self.left, self.ask, self.answer = CALLS, os.pipe(), os.pipe()
        self.child = os.fork()
        if self.child == 0:
            for _ in range(CALLS):
                for _ in range(int.from_bytes(os.read(self.ask[0], 4), "big") * 30):
                    pass
                os.write(self.answer[1], b"x")
            os._exit(0)

    def end_child(self):
        try:
            os.waitpid(self.child, 0)
        except ChildProcessError:
            pass
        for descriptor in (*self.ask, *self.answer):
            os.close(descriptor)
