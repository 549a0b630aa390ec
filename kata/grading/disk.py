"""A disk of files in the hands of the grader: what was written is durable only once it is synced, and can rot.

    disk = Disk(world)
    with disk.recording() as moments:
        ...                                      the submission works on `disk`
    for moment in moments:                       before each call that changed it, and after the last
        for fate in FATES:
            database = student.Database(moment.crashed(fate))

A crash is made by going back: what a process does between two calls of its disk leaves no trace there, so that the
disk of a process that is killed at its k-th call is the disk as it was at that call. One run gives all crashes.

How a crash treats what is not durable follows what Pillai et al. found of file systems (*All File Systems Are Not
Created Equal*, OSDI 2014): writes reach the disk in any order and in pieces; a rename is atomic, and says nothing about
the bytes.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from kata.grading.fakes import refuse, remote
from kata.supervisor.failures import failed
from kata.supervisor.world import World
from kata.wire import shown

SECTOR_BYTES = 64
"""Of what is written at once, how much reaches the disk as a whole."""
_SMALL_BYTES = 8
"""And how much of its first sector's worth, where headers stand: no program was promised any sectors."""

CAPACITY_BYTES = 2 * 1024 * 1024
"""Of all files together."""

RECORDED_BYTES_MAX = 256 * 1024 * 1024
"""Of all disks of a recording together: each moment has one, and they lie in the grader's own memory."""
_OBJECT_BYTES = 500
"""What a file takes up there besides its bytes, and likewise what was done to it since it was synced."""

Fate = Literal["lost", "kept", "torn"]
FATES: tuple[Fate, ...] = ("lost", "kept", "torn")
"""What may become of all that is not durable: nothing of it is there, or all, or some of the pieces of each write."""

Arrives = Callable[[int], int]
"""Of so many bytes that lie together, how many have reached the disk: of that many, the first."""
Change = Callable[[bytearray, Arrives], None]


@dataclass
class _File:
    durable: bytes | None = None
    """What is there whatever happens. None: perhaps not even the file."""
    content: bytearray = field(default_factory=bytearray)
    changes: list[Change] = field(default_factory=list)
    """What was done to it since, in order. Each is told, piece by piece, how much of that piece has arrived."""

    def copy(self) -> _File:
        return _File(self.durable, bytearray(self.content), list(self.changes))

    def change(self, change: Change) -> None:
        self.changes.append(change)
        change(self.content, lambda size: size)

    def sync(self) -> None:
        self.durable = bytes(self.content)
        self.changes.clear()

    def after_crash(self, arrives: Arrives) -> bytes | None:
        """Its bytes; None where it isn't there."""
        arrived = [self.durable is not None or arrives(1)]

        def remembered(size: int) -> int:
            arrived.append(arrives(size))
            return arrived[-1]

        content = bytearray(self.durable or b"")
        for change in self.changes:
            change(content, remembered)
        # Whoever has found a place for bytes has found one for the file.
        return bytes(content) if any(arrived) else None


@dataclass(frozen=True)
class Moment:
    """A disk as it was before some call, or at the end."""

    call: str
    """What was about to be done; "" at the end."""
    disk: Disk

    @property
    def when(self) -> str:
        """For sentences: `before the call "fsync 'log'"`, or `after the last call`."""
        return f"before the call {self.call!r}" if self.call else "after the last call"

    def crashed(self, fate: Fate) -> Disk:
        """The disk that is found after a crash at that moment."""
        return self.disk.after_crash(fate)


class Disk:
    """Files by name, in the hands of student code: `disk.append(name, data)`, `disk.fsync(name)` and so on."""

    def __init__(self, world: World, name: str = "disk") -> None:
        self.syncs = 0
        """How often `fsync` was called."""
        self.changes = 0
        """How many calls have changed something, or synced it."""
        self._world = world
        self._name = name
        self._files: dict[str, _File] = {}
        self._room = CAPACITY_BYTES
        self._moments: list[Moment] | None = None
        self._recorded_bytes = 0
        world.expose(self, name)

    # ------------------------------------------------------------ what the student calls

    @remote(told=False)
    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(self._files)

    @remote(told=False)
    def size(self, name: str) -> int:
        """How many bytes it has. FileNotFoundError when it isn't there, as for the others."""
        return len(self._file(name).content)

    @remote(told=False)
    def read(self, name: str) -> bytes:
        """All its bytes."""
        return bytes(self._file(name).content)

    @remote
    def append(self, name: str, data: bytes) -> None:
        """Add bytes at its end; make it if it isn't there. OSError when there is no room."""
        self._expect(name, data)
        size = len(self._files[name].content) if name in self._files else 0
        self._take_room(len(data))
        self._about_to(f"append {len(data):,} bytes to {name!r}")
        self._files.setdefault(name, _File()).change(_written(size, data))

    @remote
    def write(self, name: str, offset: int, data: bytes) -> None:
        """Overwrite from there on. OSError when there is no room for what is beyond the end."""
        self._expect(name, data)
        file = self._file(name)
        if not isinstance(offset, int) or offset < 0:
            refuse(ValueError(f"{self._name}.write takes an offset of 0 or more, not {shown(offset)}"))
        self._take_room(offset + len(data) - len(file.content))
        self._about_to(f"write {len(data):,} bytes to {name!r} at {offset}")
        file.change(_written(offset, data))

    @remote
    def truncate(self, name: str, size: int) -> None:
        """Make it that short."""
        file = self._file(name)
        if not isinstance(size, int) or not 0 <= size <= len(file.content):
            refuse(ValueError(f"{self._name}.truncate takes a size up to {len(file.content)}, not {shown(size)}"))
        self._about_to(f"truncate {name!r} to {size}")
        file.change(_truncated(size))

    @remote
    def fsync(self, name: str) -> None:
        """Make what was done to its bytes durable."""
        file = self._file(name)
        self._about_to(f"fsync {name!r}")
        self.syncs += 1
        file.sync()

    @remote
    def rename(self, old: str, new: str) -> None:
        """Give it another name, atomically and durably; a file of that name is replaced."""
        file = self._file(old)
        if not isinstance(new, str):
            self._no_name(new)
        self._about_to(f"rename {old!r} to {new!r}")
        del self._files[old]
        file.durable = file.durable or b""
        self._files[new] = file

    @remote
    def delete(self, name: str) -> None:
        """Remove it, atomically and durably."""
        self._file(name)
        self._about_to(f"delete {name!r}")
        del self._files[name]

    # ------------------------------------------------------------ what the grader does

    @property
    def used_bytes(self) -> int:
        """How many bytes all files have together."""
        return sum(len(file.content) for file in self._files.values())

    def contents(self) -> dict[str, bytes]:
        """All files by name, as they are read now."""
        return {name: bytes(file.content) for name, file in sorted(self._files.items())}

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Moment]]:
        """The moments before each call that changes something, and the one at the end of the block."""
        self._moments, self._recorded_bytes = [], 0
        try:
            yield self._moments
            self._about_to("")
        finally:
            self._moments = None

    @contextlib.contextmanager
    def full(self, free_bytes: int = 0) -> Iterator[None]:
        """Meanwhile there is room for so many bytes and no more; what is freed can be used."""
        self._room = self.used_bytes + free_bytes
        left = f"{free_bytes:,} bytes are left" if free_bytes else "no byte is left"
        with self._world.fault(f"{self._name} is full: {left}", f"{self._name} has room again"):
            yield
        self._room = CAPACITY_BYTES

    def after_crash(self, fate: Fate) -> Disk:
        """Another disk, with what a crash at this moment leaves."""
        chance = random.Random(self._world.random.getrandbits(64))
        share = chance.choice((0.5, 0.9, 0.98))  # many holes, or one that only the last checksum sees
        fates: dict[Fate, Arrives] = {
            "lost": lambda size: 0,
            "kept": lambda size: size,
            "torn": lambda size: size if chance.random() < share else 0,
        }
        return self._found(lambda: fates[fate])

    def stopped_after(self, steps: int) -> Disk:
        """Another disk, on which what is not durable reached each file in order and stopped after so many steps.

        A byte is a step, and so is making the file and each truncation.
        """

        def first_steps() -> Arrives:
            left = steps

            def arrives(size: int) -> int:
                nonlocal left
                arrived = min(size, left)
                left -= arrived
                return arrived

            return arrives

        return self._found(first_steps)

    def copy(self) -> Disk:
        """Another disk with the same files, in the same state."""
        made = Disk(self._world, self._name)
        made._files = {name: file.copy() for name, file in self._files.items()}
        return made

    def with_bit_flipped(self, name: str, bit: int) -> Disk:
        """Another disk with the same durable files, one bit of one of them (counted from its beginning) flipped."""
        rotten = self.after_crash("lost")
        content = rotten._files[name].content
        content[bit // 8] ^= 1 << bit % 8
        rotten._files[name].sync()
        return rotten

    # ------------------------------------------------------------ how it works

    def _found(self, arrives: Callable[[], Arrives]) -> Disk:
        """Another disk, with what has arrived of each file."""
        found = Disk(self._world, self._name)
        for name, file in self._files.items():
            content = file.after_crash(arrives())
            if content is not None:
                found._files[name] = _File(content, bytearray(content))
        return found

    def _about_to(self, call: str) -> None:
        if self._moments is not None:
            self._expect_room_for_another_moment(len(self._moments))
            self._moments.append(Moment(call, self.copy()))
        self.changes += 1

    def _expect_room_for_another_moment(self, moments: int) -> None:
        objects = len(self._files) + sum(len(file.changes) for file in self._files.values())
        self._recorded_bytes += self.used_bytes + objects * _OBJECT_BYTES
        if self._recorded_bytes > RECORDED_BYTES_MAX:
            raise failed(
                "cost",
                f"The {self._name} was changed {moments:,} times, and had {self.used_bytes:,} bytes in "
                f"{len(self._files):,} files at last.",
                expected=f"{RECORDED_BYTES_MAX >> 20} MiB at most, over all its states together",
                got="more",
                advice="Look for files that only ever grow, that are never synced, or that are written bit by bit.",
            )

    def _file(self, name: object) -> _File:
        if not isinstance(name, str):
            self._no_name(name)
        if name not in self._files:
            refuse(FileNotFoundError(f"there is no file {name!r}"))
        return self._files[name]

    def _expect(self, name: object, data: object) -> None:
        if not isinstance(name, str):
            self._no_name(name)
        if not isinstance(data, bytes | bytearray | memoryview):
            refuse(TypeError(f"{self._name} takes bytes, not {type(data).__name__}"))

    def _no_name(self, name: object) -> NoReturn:
        refuse(TypeError(f"{self._name} takes text as a file's name, not {type(name).__name__}"))

    def _take_room(self, more_bytes: int) -> None:
        if more_bytes > 0 and self.used_bytes + more_bytes > self._room:
            refuse(OSError("No space left on device"))


def _written(offset: int, data: bytes) -> Change:
    """Bytes from there on, in pieces that end where the disk's sectors do, and in small ones at their beginning."""
    content = bytes(data)

    def change(file: bytearray, arrives: Arrives) -> None:
        start = offset
        while start < offset + len(content):
            piece = _SMALL_BYTES if start < offset + SECTOR_BYTES else SECTOR_BYTES
            end = min(start - start % piece + piece, offset + len(content))
            arrived = start + arrives(end - start)
            if arrived > start:
                if len(file) < arrived:
                    file.extend(bytes(arrived - len(file)))
                file[start:arrived] = content[start - offset : arrived - offset]
            start = end

    return change


def _truncated(size: int) -> Change:
    def change(file: bytearray, arrives: Arrives) -> None:
        if arrives(1):
            del file[size:]

    return change
