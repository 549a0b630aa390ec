"""Design: every waiting get has a Future of its own in the load's explicit list of waiters; a load that nobody waits for is cancelled, and a put answers the waiters at once."""

import asyncio
import time
from collections import OrderedDict


class _Load:
    __slots__ = ("key", "task", "waiters")

    def __init__(self, key: str) -> None:
        self.key = key
        self.task: asyncio.Task | None = None
        self.waiters: dict[asyncio.Future, None] = {}  # in order of arrival; a dict, to leave it cheaply

    def answer(self, value: bytes | None) -> None:
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(value)

    def fail(self, error: BaseException) -> None:
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._grace = grace
        self._capacity = capacity
        self._entries: OrderedDict[str, tuple[bytes | None, float]] = OrderedDict()
        self._loads: dict[str, _Load] = {}
        self._tasks: set[asyncio.Task] = set()

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is not None and time.monotonic() < entry[1] + self._ttl:
            self._entries.move_to_end(key)
            return entry[0]
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = _Load(key)
            load.task = asyncio.create_task(self._run(load))
            self._tasks.add(load.task)
            load.task.add_done_callback(self._tasks.discard)
        waiter = asyncio.get_running_loop().create_future()
        load.waiters[waiter] = None
        try:
            return await waiter
        finally:
            # Still in the list: this get was cancelled before there was an answer.
            if waiter in load.waiters:
                del load.waiters[waiter]
                if not load.waiters:
                    self._leave_table(load)
                    load.task.cancel()

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._store.write(key, value)
        except BaseException:
            self._forget(key)
            raise
        self._keep(key, value)
        load = self._loads.pop(key, None)
        if load is not None:
            load.answer(value)
            load.task.cancel()

    async def invalidate(self, key: str) -> None:
        self._forget(key)

    async def _run(self, load: _Load) -> None:
        key = load.key
        try:
            value = await self._store.read(key)
        except Exception as error:
            current = self._leave_table(load)
            entry = self._entries.get(key) if current else None
            if entry is not None and time.monotonic() < entry[1] + (self._ttl + self._grace):
                self._entries.move_to_end(key)
                load.answer(entry[0])
            else:
                load.fail(error)
        except BaseException:  # cancelled; by us if nobody waits, else the loop is being shut down
            self._leave_table(load)
            for waiter in list(load.waiters):
                waiter.cancel()
            raise
        else:
            if self._leave_table(load):
                self._keep(key, value)
            load.answer(value)

    def _leave_table(self, load: _Load) -> bool:
        """Deregister `load`. False: it had been overtaken."""
        if self._loads.get(load.key) is not load:
            return False
        del self._loads[load.key]
        return True

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._loads.pop(key, None)

    def _keep(self, key: str, value: bytes | None) -> None:
        self._entries[key] = (value, time.monotonic())
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
