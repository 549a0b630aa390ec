"""The outside world of a submission, owned by the grader: fakes that count what is asked, can be slow, and can fail."""

from __future__ import annotations

import contextlib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar, overload

from kata.supervisor.world import Pause, Refused, World

_FOR_EVER_SECONDS = 5e9
"""158 years. A longer ttl is that long: it may be an integer that no float can hold."""

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def remote(method: Function) -> Function: ...
@overload
def remote(*, blocking: bool = False, posted: bool = False, told: bool = True) -> Callable[[Function], Function]: ...
def remote(method: Any = None, *, blocking: bool = False, posted: bool = False, told: bool = True) -> Any:
    """Mark a fake's method as one that student code may call.

    The student awaits an `async def` method and calls a `def` method plainly. With `blocking=True` an `async def`
    method is called plainly too: the student's process waits in it, as in a system call, while virtual time passes.
    With `posted=True` a `def` method is called plainly, and the student's process goes on at once: there is no answer,
    and a refusal ends the check. What a process asks takes effect in the order in which it was asked, posted or not.
    With `told=False` its calls have no line in the transcript: the fake writes its own.
    """

    def mark(function: Any) -> Any:
        awaited = inspect.iscoroutinefunction(function) and not blocking
        function._kata_remote = "await" if awaited else "post" if posted else "call"
        function._kata_told = told
        return function

    return mark if method is None else mark(method)


def pause(seconds: float) -> Pause:
    """`await pause(seconds)` in a fake's method: that much virtual time passes before it goes on."""
    return Pause(seconds)


def refuse(error: Exception) -> NoReturn:
    """Let the student's call of this fake raise `error` there (by its type's name and its message)."""
    raise Refused(error)


class _Faults:
    """How one kind of call is being disturbed: each entry holds for some keys, or for all."""

    def __init__(self) -> None:
        self.delays: list[tuple[float, frozenset[str] | None]] = []
        self.refusals: list[list[Any]] = []

    def delay(self, key: str) -> float:
        return sum(seconds for seconds, keys in self.delays if keys is None or key in keys)

    def refuses(self, key: str) -> bool:
        for entry in self.refusals:
            times, keys = entry
            if (keys is None or key in keys) and times != 0:
                entry[0] = times - 1
                return True
        return False


class _Disturbed:
    """What every fake that is asked for keys has: a name, and faults that are `with` blocks."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._faults = _Faults()

    @contextlib.contextmanager
    def slow(self, seconds: float, keys: set[str] | None = None) -> Iterator[None]:
        """Every call that begins meanwhile takes that many virtual seconds more."""
        entry = (seconds, frozenset(keys) if keys is not None else None)
        self._faults.delays.append(entry)
        self._world.note(f"{self._name} is slow: {seconds:g} s a call{_for(keys)}", "fault")
        try:
            yield
        finally:
            self._faults.delays.remove(entry)
            self._world.note(f"{self._name} is fast again", "fault")

    @contextlib.contextmanager
    def down(self, keys: set[str] | None = None) -> Iterator[None]:
        """Every call that begins meanwhile raises ConnectionError."""
        with self._refusing(-1, keys, f"{self._name} is down{_for(keys)}", f"{self._name} is up again"):
            yield

    @contextlib.contextmanager
    def failing(self, times: int = 1, keys: set[str] | None = None) -> Iterator[None]:
        """The next `times` calls that begin meanwhile raise ConnectionError."""
        calls = "call" if times == 1 else f"{times} calls"
        with self._refusing(
            times, keys, f"{self._name} fails the next {calls}{_for(keys)}", f"{self._name} is sound again"
        ):
            yield

    @contextlib.contextmanager
    def _refusing(self, times: int, keys: set[str] | None, begins: str, ends: str) -> Iterator[None]:
        entry = [times, frozenset(keys) if keys is not None else None]
        self._faults.refusals.append(entry)
        try:
            with self._world.fault(begins, ends):
                yield
        finally:
            self._faults.refusals.remove(entry)

    async def _disturb(self, key: str) -> None:
        """Whether it fails is settled when it is asked; how it ends is seen after the delay."""
        refuses = self._faults.refuses(key)
        # Also without a delay: calls that end at the same moment end in an order drawn from the seed.
        await pause(self._faults.delay(key))
        if refuses:
            refuse(ConnectionError(f"the {self._name} can't be reached"))

    def _expect(self, method: str, key: object) -> None:
        if not isinstance(key, str):
            refuse(TypeError(f"{self._name}.{method} takes text as its key, not {type(key).__name__}"))


class Store(_Disturbed):
    """A key-value store on the network: `await store.read(key)`, `await store.write(key, value)`.

    A read takes its value when it is asked, and delivers it after its delay; a write takes effect when it is
    acknowledged, after its delay. Faults are `with` blocks; each may be restricted to some `keys`:

        with store.slow(seconds=2): ...        every call takes 2 virtual seconds
        with store.down(): ...                 every call raises ConnectionError
        with store.failing(times=1): ...       the next call does
    """

    def __init__(self, world: World, contents: Mapping[str, bytes] | None = None, name: str = "store") -> None:
        super().__init__(world, name)
        self._data: dict[str, bytes] = {}
        self.reads: list[str] = []
        """The keys that were read, in the order of asking, also where it failed."""
        self.writes: list[tuple[str, bytes]] = []
        """What was asked to be written, likewise."""
        self._history: defaultdict[str, list[tuple[float, bytes | None]]] = defaultdict(list)
        """Of each key, when (virtual seconds) it came to hold what."""
        world.expose(self, name)
        for key, value in (contents or {}).items():
            self._hold(key, value)
        if contents:
            world.note(f"{name} holds {', '.join(f'{key!r} = {value!r}' for key, value in contents.items())}")

    # ------------------------------------------------------------ what the student calls

    @remote
    async def read(self, key: str) -> bytes | None:
        """The bytes held under `key` when asked, or None."""
        self._expect("read", key)
        self.reads.append(key)
        held = self._data.get(key)
        await self._disturb(key)
        return held

    @remote
    async def write(self, key: str, value: bytes) -> None:
        """Hold `value` under `key`, from when this returns."""
        self._expect("write", key)
        if not isinstance(value, bytes):
            refuse(TypeError(f"{self._name}.write takes bytes as its value, not {type(value).__name__}"))
        self.writes.append((key, value))
        await self._disturb(key)
        self._hold(key, value)

    # ------------------------------------------------------------ what the grader does

    def __setitem__(self, key: str, value: bytes) -> None:
        """Somebody else writes to the store, behind the submission's back."""
        self._hold(key, value)
        self._world.note(f"{self._name} holds {key!r} = {value!r}")

    def __getitem__(self, key: str) -> bytes:
        return self._data[key]

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __delitem__(self, key: str) -> None:
        """Somebody else deletes the key."""
        self._hold(key, None)
        self._world.note(f"{self._name} no longer holds {key!r}")

    def held_since(self, key: str, moment: float) -> list[bytes | None]:
        """All that was held under `key` at some time from that virtual second on, however briefly; None: nothing."""
        changes = [(0.0, None), *self._history[key]]
        ends = [when for when, _ in changes[1:]] + [float("inf")]
        return [value for (_, value), end in zip(changes, ends, strict=True) if end >= moment]

    def _hold(self, key: str, value: bytes | None) -> None:
        self._history[key].append((self._world.clock.now, value))
        if value is None:
            del self._data[key]
        else:
            self._data[key] = value

    def forget(self) -> None:
        """Empty `reads` and `writes`: what is counted begins here."""
        self.reads.clear()
        self.writes.clear()


class VersionedStore(_Disturbed):
    """A key-value store on the network with versions, compare-and-set, expiry and a clock of its own.

    `await store.read(key)` and `await store.compare_and_set(key, version, value, ttl)` are all that it offers, as much
    as etcd or a script in Redis do. Faults are those of `Store`; a call that raises has changed nothing.
    """

    def __init__(self, world: World, name: str = "store") -> None:
        super().__init__(world, name)
        self._data: dict[str, tuple[bytes, int, float]] = {}
        """By key: value, version, and until when it is held on the store's clock."""
        self._versions = 0
        self._zero = float(world.random.randrange(1_000_000, 9_000_000))
        self._speed = 1.0
        self._paced_since = world.clock.now
        self.reads: list[str] = []
        """The keys that were read, in the order of asking, also where it failed."""
        self.writes: list[str] = []
        """The keys that compare_and_set was asked for, likewise."""
        world.expose(self, name)

    # ------------------------------------------------------------ what the student calls

    @remote
    async def read(self, key: str) -> tuple[bytes | None, int, float]:
        """Value, version and the store's time, all as of when it was asked; `(None, 0, time)` for no such key."""
        self._expect("read", key)
        self.reads.append(key)
        value, version = self._held(key)
        now = self.now
        await self._disturb(key)
        return value, version, now

    @remote
    async def compare_and_set(self, key: str, version: int, value: bytes, ttl: float) -> bool:
        """Hold `value` for `ttl` seconds if the key has that version when this returns; whether it had."""
        self._expect("compare_and_set", key)
        if not isinstance(value, bytes):
            refuse(TypeError(f"{self._name}.compare_and_set takes bytes as its value, not {type(value).__name__}"))
        if not isinstance(version, int):
            refuse(TypeError(f"{self._name}.compare_and_set takes a version, not {type(version).__name__}"))
        if not (isinstance(ttl, int | float) and ttl > 0):
            refuse(
                ValueError(f"{self._name}.compare_and_set takes a number of seconds above 0 as its ttl, not {ttl!r}")
            )
        self.writes.append(key)
        await self._disturb(key)
        if self._held(key)[1] != version:
            return False
        self._versions += 1
        self._data[key] = (value, self._versions, self.now + min(ttl, _FOR_EVER_SECONDS))
        return True

    # ------------------------------------------------------------ what the grader does

    @property
    def now(self) -> float:
        """What the store's clock says, in seconds."""
        return self._zero + (self._world.clock.now - self._paced_since) * self._speed

    def keys(self) -> list[str]:
        """The keys that are held now, sorted."""
        return sorted(key for key in self._data if self._held(key)[1])

    def forget(self) -> None:
        """Empty `reads` and `writes`: what is counted begins here."""
        self.reads.clear()
        self.writes.clear()

    @contextlib.contextmanager
    def clock_speed(self, factor: float) -> Iterator[None]:
        """Meanwhile the store's clock runs that many times as fast as those of the student's processes."""
        self._pace(factor)
        self._world.note(f"{self._name}'s clock runs {factor:g} times as fast as the servers'", "fault")
        try:
            yield
        finally:
            self._pace(1.0)
            self._world.note(f"{self._name}'s clock runs as fast as the servers' again", "fault")

    def _pace(self, factor: float) -> None:
        self._zero, self._paced_since, self._speed = self.now, self._world.clock.now, factor

    def _held(self, key: str) -> tuple[bytes | None, int]:
        value, version, until = self._data.get(key, (None, 0, self.now))
        return (value, version) if self.now < until else (None, 0)


def _for(keys: set[str] | None) -> str:
    return "" if keys is None else " for " + ", ".join(sorted(map(repr, keys)))
