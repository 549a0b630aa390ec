"""What student processes do again and again, done in the zygote before the first of them is forked.

The interpreter specialises code that has run some times, and remembers what it looked up. In a child each such note
would cost its time once more, and a copy of the page that it stands on, which the child shares with the zygote.
"""

from __future__ import annotations

import sys
import time
from types import CodeType

import msgspec

from kata.student import host
from kata.wire import Answer, Bytes, Call, Cancel, Deliver, Handle, Refusal, frame
from kata.wire import Error as WireException

_TIMES = 20
"""The interpreter specialises code that has run eight times, and its instructions a little later."""
_PLAY = """
import asyncio
import collections
import dataclasses
import enum
import functools
import time
import typing


class Kind(enum.Enum):
    NEW = 1


@dataclasses.dataclass(frozen=True)
class Entry:
    value: bytes
    until: float = 0.0


class Cache:
    def __init__(self, store, *, size: int = 3) -> None:
        self._store = store
        self._entries: collections.OrderedDict[str, Entry] = collections.OrderedDict()
        self._loads: dict[str, asyncio.Task[typing.Any]] = {}
        self._lock = asyncio.Lock()

    def plain(self, key):
        return [key, {key: (1, 2.5, None, b"x")}]

    async def get(self, key):
        load = asyncio.create_task(self._load(key))
        self._loads[key] = load
        load.add_done_callback(lambda _: self._loads.pop(key))
        try:
            return (await asyncio.shield(load)).value
        finally:
            self._entries.pop(key, None)

    async def _load(self, key):
        async with self._lock:
            entry = self._entries[key] = Entry(await self._store.read(key), time.monotonic())
            return entry

    async def wait(self, seconds):
        await asyncio.wait_for(asyncio.gather(asyncio.sleep(seconds)), 2 * seconds)

    async def fail(self):
        raise KeyError("none")
"""


class _Script:
    """A channel on which every delivery has already come. What is sent goes nowhere; EOFError after the last."""

    def __init__(self, deliveries: list[Deliver]) -> None:
        self._data = memoryview(b"".join(frame(msgspec.msgpack.encode(each)) for each in deliveries))

    def sendall(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return bytes(data)


def rehearse() -> None:
    """Play the same scenes some times. Leaves nothing that a student process could see."""
    code = compile(_PLAY, f"{host.ORIGIN}/play.py", "exec", dont_inherit=True)
    sleep, path, finders = time.sleep, list(sys.path), list(sys.meta_path)
    for _ in range(_TIMES):
        _perform(code)
        sys.modules.pop("play", None)
        sys.path[:], sys.meta_path[:] = path, finders
    time.sleep = sleep


def _perform(code: CodeType) -> None:
    submission = host.Submission({"play.py": b""}, "play.py", code)
    # Of a socket's methods it uses only those that a script has, too.
    played = host.Host(_Script(_scenes()), host.ORIGIN, submission, None)  # type: ignore[arg-type]
    played.serve()
    played.close()


def _scenes() -> list[Deliver]:
    store = Handle(7, "Store", {"read": "await"})
    second = 1_000_000_000
    return [
        Deliver(0, 0, [Call(1, 0, "Cache", [store], {"size": 2})]),
        Deliver(0, 0, [Call(2, 1, "plain", ["a"], {})]),
        Deliver(0, 0, [Call(3, 1, "get", ["a"], {}), Call(4, 1, "get", ["b"], {})]),
        Deliver(0, 0, [Answer(1, Bytes(b"1"))]),
        Deliver(0, 0, [Refusal(2, WireException(["OSError", "Exception"], "down", []))]),
        Deliver(0, 0, [Call(5, 1, "get", ["c"], {})]),
        Deliver(0, 0, [Cancel(5)]),
        Deliver(0, 0, [Answer(3, Bytes(b"3"))]),
        Deliver(0, 0, [Call(6, 1, "wait", [1], {}), Call(7, 1, "fail", [], {})]),
        Deliver(second, second, []),
        Deliver(second, second, [Call(8, 1, "nothing", [], {})]),
    ]
