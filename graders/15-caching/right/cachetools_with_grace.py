"""Design: a cachetools.TTLCache that lives for ttl + grace does the expiring and the LRU, a task per load does the reading, and a get whose key is being written waits for that put."""

import asyncio
import time

from cachetools import TTLCache


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        # Whole life of a value: ttl + grace. Each item is (value, fresh_until).
        self._cache = TTLCache(maxsize=capacity, ttl=ttl + grace, timer=lambda: time.monotonic())
        self._loads: dict[str, asyncio.Task] = {}
        self._writing: dict[str, asyncio.Event] = {}  # key -> set when the put that began last has ended
        self._tasks: set[asyncio.Task] = set()

    async def get(self, key: str) -> bytes | None:
        writing = self._writing.get(key)
        if writing is not None:
            await writing.wait()
        with self._cache.timer as now:  # one reading of the clock for all that is inside
            item = self._cache.get(key)
            if item is not None and now < item[1]:
                return item[0]
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
            self._tasks.add(load)
            load.add_done_callback(self._done)
        await asyncio.wait({load})
        return load.result()

    async def put(self, key: str, value: bytes) -> None:
        ended = self._writing[key] = asyncio.Event()
        try:
            await self._store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        else:
            self._forget(key)
            self._keep(key, value)
        finally:
            ended.set()
            if self._writing.get(key) is ended:
                del self._writing[key]

    async def invalidate(self, key: str) -> None:
        self._forget(key)

    async def _load(self, key: str) -> bytes | None:
        me = asyncio.current_task()
        try:
            value = await self._store.read(key)
            if self._loads.get(key) is me:
                self._keep(key, value)
            return value
        except ConnectionError:
            item = self._cache.get(key) if self._loads.get(key) is me else None
            if item is None:
                raise
            return item[0]
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]

    def _done(self, load: asyncio.Task) -> None:
        self._tasks.discard(load)
        if not load.cancelled():
            load.exception()  # looked at, though everybody who waited may be gone

    def _keep(self, key: str, value: bytes | None) -> None:
        with self._cache.timer as now:
            self._cache[key] = (value, now + self._ttl)

    def _forget(self, key: str) -> None:
        with self._cache.timer:  # `pop` looks twice, and the clock must not tick between
            self._cache.pop(key, None)
        self._loads.pop(key, None)
