"""Tries: to say that it waits, and to go on in a thread: virtual time stands still while it works.
Against: 15-caching (flat-cost, hit)
Must: score at most 0; unmet; says /never answered|grows like|expected|was stopped|used up/; within 40 s
"""

import asyncio
import threading


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        future, loop = asyncio.get_running_loop().create_future(), asyncio.get_running_loop()

        def work():
            for _ in range(300_000):
                pass
            loop.call_soon_threadsafe(future.set_result, None)

        threading.Thread(target=work, daemon=True).start()
        return await future

    put = invalidate = get
