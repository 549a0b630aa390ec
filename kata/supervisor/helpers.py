"""The processes that a student process has started, and what they have cost: work can't be hidden in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process so far, read from outside it; None where the system does not tell (it is Linux's)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def helpers_cpu_seconds(pid: int, uid: int | None) -> float:
    """CPU time of all that the process has started and that lives, and of its children that it has waited for.

    With `uid`, those are all processes of that user, its daemons included. Without one they are its descendants: in a
    pid namespace of its own an orphan becomes its child again.
    """
    others = set(_descendants(pid)) if uid is None else set(_processes_of(uid)) - {pid}
    return sum(cpu_seconds(other) or 0.0 for other in others) + _buried(pid)


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
