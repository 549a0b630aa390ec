"""Design: no tasks at all: one get of each round holds the key's asyncio.Lock and reads for the others, the next in line takes over if it is cancelled, and puts of one key take turns."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Entry:
    value: bytes | None
    since: float

    def younger_than(self, limit: float) -> bool:
        return time.monotonic() - self.since < limit


@dataclass(slots=True)
class Outcome:
    value: bytes | None = None
    error: Exception | None = None

    def unwrap(self) -> bytes | None:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(slots=True, eq=False)
class Turnstile:
    """A lock, and how many hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass(slots=True, eq=False)
class Round(Turnstile):
    """The gets that share one answer. Whoever has the lock reads, unless the outcome is there."""

    outcome: Outcome | None = None


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._grace = grace
        self._capacity = capacity
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._rounds: dict[str, Round] = {}
        self._writers: dict[str, Turnstile] = {}

    async def get(self, key: str) -> bytes | None:
        while True:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                if entry.younger_than(self._ttl):
                    return entry.value
            current = self._rounds.get(key)
            if current is None:
                current = self._rounds[key] = Round()
            current.users += 1
            try:
                async with current.lock:  # the first one gets it without a pause
                    if current.outcome is None and self._rounds.get(key) is current:
                        await self._lead(key, current)
            finally:
                current.users -= 1
                if not current.users and self._rounds.get(key) is current:
                    del self._rounds[key]
            if current.outcome is not None:
                return current.outcome.unwrap()
            # The one that read for us was cancelled, and the round overtaken: start again, like a new get.

    async def put(self, key: str, value: bytes) -> None:
        turn = self._writers.setdefault(key, Turnstile())
        turn.users += 1
        try:
            async with turn.lock:
                await self._store.write(key, value)
                self._forget(key)
                self._keep(key, Entry(value, time.monotonic()))
        except BaseException:
            self._forget(key)
            raise
        finally:
            turn.users -= 1
            if not turn.users:
                del self._writers[key]

    async def invalidate(self, key: str) -> None:
        self._forget(key)

    async def _lead(self, key: str, current: Round) -> None:
        """Read for the round. Cancelled, it leaves the round as it was, for the next one in line."""
        asked = time.monotonic()
        try:
            value = await self._store.read(key)
        except Exception as error:
            current.outcome = Outcome(error=error)
            if self._rounds.get(key) is current:
                del self._rounds[key]
                entry = self._entries.get(key)
                if entry is not None and entry.younger_than(self._ttl + self._grace):
                    current.outcome = Outcome(entry.value)
        else:
            current.outcome = Outcome(value)
            if self._rounds.get(key) is current:
                del self._rounds[key]
                self._keep(key, Entry(value, asked))

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._rounds.pop(key, None)

    def _keep(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
