"""Design: a miss takes out a numbered lease (as in memcached) and may fill the cache only while its number is valid; entries sit in a hand-made linked list; writes go on in a task of their own when their put is cancelled."""

import asyncio
import itertools
import time


class _Node:
    """One held value, and a link of the ring in order of use."""

    __slots__ = ("key", "value", "since", "prev", "next")

    def __init__(self, key=None, value=None, since=0.0) -> None:
        self.key, self.value, self.since = key, value, since
        self.prev = self.next = self

    def unlink(self) -> None:
        self.prev.next, self.next.prev = self.next, self.prev
        self.prev = self.next = self

    def link_before(self, other: "_Node") -> None:
        self.prev, self.next = other.prev, other
        other.prev.next = self
        other.prev = self


class _Lru:
    """At most `capacity` nodes by key; the oldest is ring.next, the youngest ring.prev."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.nodes: dict[str, _Node] = {}
        self.ring = _Node()

    def use(self, key: str) -> _Node | None:
        node = self.nodes.get(key)
        if node is not None:
            node.unlink()
            node.link_before(self.ring)
        return node

    def drop(self, key: str) -> None:
        node = self.nodes.pop(key, None)
        if node is not None:
            node.unlink()

    def hold(self, key: str, value: bytes | None, since: float) -> None:
        self.drop(key)
        if len(self.nodes) >= self.capacity:
            self.drop(self.ring.next.key)
        node = self.nodes[key] = _Node(key, value, since)
        node.link_before(self.ring)


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self._store = store
        self._ttl = ttl
        self._limit = ttl + grace
        self._lru = _Lru(capacity)
        self._numbers = itertools.count(1)
        self._leases: dict[str, int] = {}  # key -> the number that may fill it
        self._answers: dict[int, asyncio.Future] = {}  # number -> what its gets wait for
        self._tasks: set[asyncio.Task] = set()

    async def get(self, key: str) -> bytes | None:
        node = self._lru.use(key)
        if node is not None and time.monotonic() - node.since < self._ttl:
            return node.value
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = next(self._numbers)
            answer = self._answers[lease] = asyncio.get_running_loop().create_future()
            self._spawn(self._load(key, lease))
        else:
            answer = self._answers[lease]
        await asyncio.wait({answer})  # being cancelled here leaves the future alone
        return answer.result()

    async def put(self, key: str, value: bytes) -> None:
        waiting = [True]
        write = self._spawn(self._write(key, value, waiting))
        try:
            error = await asyncio.shield(write)
        except BaseException:  # this put is cancelled; the write isn't
            waiting.clear()
            self._forget(key)
            raise
        if error is not None:
            self._forget(key)  # again: whatever began since the write failed is overtaken too
            raise error

    async def invalidate(self, key: str) -> None:
        self._forget(key)

    async def _load(self, key: str, lease: int) -> None:
        answer = self._answers[lease]
        try:
            value = await self._store.read(key)
        except Exception as error:
            node = self._lru.use(key) if self._redeem(key, lease) else None
            if node is not None and time.monotonic() - node.since < self._limit:
                answer.set_result(node.value)
            else:
                answer.set_exception(error)
                answer.exception()  # looked at, though everybody who waited may be gone
        else:
            if self._redeem(key, lease):
                self._lru.hold(key, value, time.monotonic())
            answer.set_result(value)
        finally:
            self._redeem(key, lease)
            del self._answers[lease]
            if not answer.done():
                answer.cancel()

    async def _write(self, key: str, value: bytes, waiting: list) -> Exception | None:
        try:
            await self._store.write(key, value)
        except Exception as error:
            self._forget(key)
            return error
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        if waiting:
            self._lru.hold(key, value, time.monotonic())
        return None

    def _redeem(self, key: str, lease: int) -> bool:
        """Give the lease back. False: it had been withdrawn."""
        if self._leases.get(key) != lease:
            return False
        del self._leases[key]
        return True

    def _forget(self, key: str) -> None:
        self._lru.drop(key)
        self._leases.pop(key, None)

    def _spawn(self, coroutine) -> asyncio.Task:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
