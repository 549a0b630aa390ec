"""Design: an actor: a background task, awake while there is mail, owns all state; gets, puts and loads only post messages, and their order in the mailbox decides every race."""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    value: bytes | None
    since: float


@dataclass(slots=True, eq=False)
class Load:
    key: str
    waiters: list[asyncio.Future] = field(default_factory=list)


# What can be in the mailbox.


@dataclass(frozen=True, slots=True)
class Get:
    key: str
    reply: asyncio.Future


@dataclass(frozen=True, slots=True)
class Wrote:
    key: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Forget:
    key: str


@dataclass(frozen=True, slots=True)
class Loaded:
    load: Load
    entry: Entry


@dataclass(frozen=True, slots=True)
class Failed:
    load: Load
    error: BaseException


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._grace = grace
        self._capacity = capacity
        self._mailbox: deque = deque()
        self._actor: asyncio.Task | None = None
        # The actor's own; nobody else touches these.
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._loads: dict[str, Load] = {}
        self._reading: set[asyncio.Task] = set()

    # What callers run: it posts, and waits for a reply where there is one.

    async def get(self, key: str) -> bytes | None:
        reply = asyncio.get_running_loop().create_future()
        self._post(Get(key, reply))
        return await reply

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._store.write(key, value)
        except BaseException:
            self._post(Forget(key))
            raise
        # Posted in the moment of the acknowledgement; whatever is asked later is read later.
        self._post(Wrote(key, Entry(value, time.monotonic())))

    async def invalidate(self, key: str) -> None:
        self._post(Forget(key))

    def _post(self, message) -> None:
        self._mailbox.append(message)
        if self._actor is None or self._actor.done():
            self._actor = asyncio.create_task(self._act())

    async def _read(self, load: Load) -> None:
        asked = time.monotonic()
        try:
            value = await self._store.read(load.key)
        except BaseException as error:
            self._post(Failed(load, error))
            if not isinstance(error, Exception):
                raise
        else:
            self._post(Loaded(load, Entry(value, asked)))

    # What the actor runs. Nothing below awaits anything, so messages are handled whole, in order.

    async def _act(self) -> None:
        # It goes home when the mailbox is empty, so that an idle cache leaves no task pending behind.
        while self._mailbox:
            match self._mailbox.popleft():
                case Get(key, reply):
                    self._on_get(key, reply)
                case Wrote(key, entry):
                    self._loads.pop(key, None)
                    self._keep(key, entry)
                case Forget(key):
                    self._loads.pop(key, None)
                    self._entries.pop(key, None)
                case Loaded(load, entry):
                    if self._retire(load):
                        self._keep(load.key, entry)
                    self._answer(load, entry.value)
                case Failed(load, error):
                    self._on_failed(load, error)

    def _on_get(self, key: str, reply: asyncio.Future) -> None:
        if reply.done():  # cancelled before its turn
            return
        entry = self._entries.get(key)
        if entry is not None and self._age(entry) < self._ttl:
            self._entries.move_to_end(key)
            reply.set_result(entry.value)
            return
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = Load(key)
            task = asyncio.create_task(self._read(load))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        load.waiters.append(reply)

    def _on_failed(self, load: Load, error: BaseException) -> None:
        entry = self._entries.get(load.key) if self._retire(load) else None
        if entry is not None and isinstance(error, ConnectionError) and self._age(entry) < self._ttl + self._grace:
            self._entries.move_to_end(load.key)
            self._answer(load, entry.value)
            return
        for waiter in load.waiters:
            if waiter.done():
                continue
            if isinstance(error, Exception):
                waiter.set_exception(error)
            else:
                waiter.cancel()

    def _answer(self, load: Load, value: bytes | None) -> None:
        for waiter in load.waiters:
            if not waiter.done():
                waiter.set_result(value)

    def _retire(self, load: Load) -> bool:
        """Deregister `load`. False: it had been overtaken."""
        if self._loads.get(load.key) is not load:
            return False
        del self._loads[load.key]
        return True

    def _age(self, entry: Entry) -> float:
        return time.monotonic() - entry.since

    def _keep(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
