"""Tries: to break every encoder with halves of characters, and with bytes that are no text.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised /
"""

import os

HALF = "\ud800 \udfff \udc80 \U0010ffff \ufffe"
os.write(1, b"\xed\xa0\x80 \xff\xfe \xf4\x90\x80\x80 \xc0\x80")
print(HALF.encode("utf-8", "surrogatepass"), HALF.encode("ascii", "backslashreplace"))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        os.write(2, b"\xed\xa0\x80" * 1000)
        await self.store.read(HALF)
        raise type(HALF, (Exception,), {})(HALF)

    put = invalidate = get
