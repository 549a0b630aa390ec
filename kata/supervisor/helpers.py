"""The processes that a student process has started, and what they have cost: work can't be hidden in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:")


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process so far, read from outside it; None where the system does not tell (it is Linux's)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def helpers_cpu_seconds(pid: int, uid: int | None) -> float:
    """CPU time of all that the process has started and that lives, and of what any of them has waited for.

    With `uid`, those are all processes of that user, its daemons included. Without one they are its descendants: in a
    pid namespace of its own an orphan becomes its child again. Nobody can have the kernel bury a child unseen: see
    SIGCHLD in `kata.student.seccomp`.
    """
    others = _helpers(pid, uid)
    return sum(cpu_seconds(other) or 0.0 for other in others) + sum(map(_buried, (pid, *others)))


def memory_bytes(pid: int, uid: int | None) -> int | None:
    """What the process and all that it has started hold in memory, in RAM or swapped out; None where nobody tells.

    Memory that they share counts, for each that has it.
    """
    own = _held(pid)
    return None if own is None else own + sum(_held(other) or 0 for other in _helpers(pid, uid))


def _held(pid: int) -> int | None:
    words = _words(_PROC / str(pid) / "status")
    kib = [int(words[words.index(name) + 1]) for name in _MEMORY if name in words]
    return sum(kib) * 1024 if kib else None


def _helpers(pid: int, uid: int | None) -> set[int]:
    return set(_descendants(pid)) if uid is None else set(_processes_of(uid)) - {pid}


def _descendants(pid: int) -> Iterator[int]:
    for file in (_PROC / str(pid) / "task").glob("*/children"):
        for child in _words(file):
            yield int(child)
            yield from _descendants(int(child))


def _processes_of(uid: int) -> Iterator[int]:
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            words = _words(Path(entry.path, "status"))
            if "Uid:" in words and words[words.index("Uid:") + 1] == str(uid):
                yield int(entry.name)


def _buried(pid: int) -> float:
    """Of the children that ended: the kernel adds them up in its own ticks, mostly of 10 ms."""
    fields = " ".join(_words(_PROC / str(pid) / "stat")).rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS if fields else 0.0


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").split()
    except OSError:
        return []
