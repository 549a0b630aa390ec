"""Design: one asyncio.Task per load, registered under its key, that every waiting get awaits through a shield."""

import asyncio
import time
from collections import OrderedDict


class CacheAside:
    """Loads belong to nobody: a task reads, keeps and deregisters; gets only look at its outcome."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._grace = grace
        self._capacity = capacity
        self._entries: OrderedDict[str, tuple[bytes | None, float]] = OrderedDict()  # key -> value, since
        self._loads: dict[str, asyncio.Task] = {}  # the loads that a new get may join
        self._tasks: set[asyncio.Task] = set()  # all of them, overtaken ones too, so that none is collected

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            value, since = entry
            if time.monotonic() - since < self._ttl:
                return value
        load = self._loads.get(key)
        if load is None:
            load = asyncio.create_task(self._load(key))
            self._loads[key] = load
            self._tasks.add(load)
            load.add_done_callback(self._tasks.discard)
        # The task returns its error, so that one that nobody awaits any more isn't reported as lost.
        value, error = await asyncio.shield(load)
        if error is not None:
            raise error
        return value

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        self._keep(key, value, time.monotonic())

    async def invalidate(self, key: str) -> None:
        self._forget(key)

    async def _load(self, key: str) -> tuple[bytes | None, Exception | None]:
        me = asyncio.current_task()
        asked = time.monotonic()
        try:
            value = await self._store.read(key)
        except Exception as error:
            entry = self._entries.get(key)
            if self._loads.get(key) is me and entry is not None and isinstance(error, ConnectionError):
                value, since = entry
                if time.monotonic() - since < self._ttl + self._grace:
                    self._entries.move_to_end(key)
                    return value, None
            return None, error
        else:
            if self._loads.get(key) is me:
                self._keep(key, value, asked)
            return value, None
        finally:
            if self._loads.get(key) is me:
                del self._loads[key]

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._loads.pop(key, None)

    def _keep(self, key: str, value: bytes | None, since: float) -> None:
        self._entries[key] = (value, since)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
