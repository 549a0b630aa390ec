"""Tries: the same, with a helper that has left its session and its parent before anything is measured.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /grows like size to the power of|used up|was stopped/; within 40 s
"""

import os

ASK, ANSWER = os.pipe(), os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        while size := int.from_bytes(os.read(ASK[0], 4), "big"):
            for _ in range(size * 30):
                pass
            os.write(ANSWER[1], b"x")
    finally:
        os._exit(0)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store, self.held, self.capacity = store, {}, capacity

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
        os.write(ASK[1], len(self.held).to_bytes(4, "big"))
        os.read(ANSWER[0], 1)
