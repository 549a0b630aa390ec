"""Tries: to hide work that grows with what it holds in a child process, whose CPU time is not its own.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows like size to the power of|used up|was stopped/; within 40 s
"""

import os


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.capacity = store, {}, capacity
        self.ask, self.answer = os.pipe(), os.pipe()
        if os.fork() == 0:
            try:
                while size := int.from_bytes(os.read(self.ask[0], 4), "big"):
                    for _ in range(size * 30):
                        pass
                    os.write(self.answer[1], b"x")
            finally:
                os._exit(0)

    async def get(self, key):
        if key in self.held:
            self.search()
            return self.held[key]
        value = await self.store.read(key)
        if len(self.held) >= self.capacity:
            self.search()
            del self.held[next(iter(self.held))]
        self.held[key] = value
        return value

    def search(self):
        os.write(self.ask[1], len(self.held).to_bytes(4, "big"))
        os.read(self.answer[0], 1)
