"""What student processes may reach in a container that was not made for them, and how the rest is closed meanwhile.

A student process there is told apart from everybody else by its user id alone. So while a run lasts, whatever it does
not need is left to owners and groups: a folder that leads to nothing it needs can't be entered, and what it does need
can't be written. Nobody but student processes and services of the container's own is "others" in such a container.

    /            every folder in it but those below: closed
    /usr …       what a Python program reads: as it was, but nothing in it can be written, and no grader be read
    /opt, /dev   lead to something that is needed: can be passed, not listed

A record of the modes from before is written first. Whoever finds one restores them, so that a run that was killed
leaves nothing closed for longer than until the next.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from kata.catalog import content_root
from kata.student import landlock
from kata.supervisor.failures import Inconclusive

OTHERS = 0o7
"""All that others may do."""
_READ_AND_WRITE, _WRITE = 0o6, 0o2

_KERNELS = ("/proc", "/sys", "/dev/pts")
"""Not made of files. A container may not be allowed to change them; in it they show no more than names and numbers."""
_REFUSALS = (errno.EROFS, errno.EPERM, errno.EACCES)


def needed(works: Path) -> tuple[str, ...]:
    """What student processes need: Python, a few devices, and `works`, where runs keep the folders of theirs."""
    return (*landlock.readable(), *landlock.DEVICES, os.path.realpath(works))


def secrets() -> tuple[str, ...]:
    """The folders of graders and solutions, which may lie among the packages that Python reads."""
    folders = (content_root() / name for name in ("graders", "solutions"))
    return tuple(os.path.realpath(folder) for folder in folders if folder.is_dir())


def close(
    record: Path, reachable: Collection[str], hidden: Collection[str], *, forbidden_anyway: bool, top: str = "/"
) -> None:
    """Close all of `top` but what is `reachable`, and of that what is `hidden`; real paths, all of them.

    `record` takes the modes from before. `forbidden_anyway` says that the kernel keeps each student process from other
    files as well (Landlock): then what can't be closed need not be, unless it is hidden. Raises Inconclusive when
    something stays open that must not.
    """
    restore(record)
    taken = _taken(reachable, hidden, top)
    changes = [(path, mode, mode & ~rights) for path, mode, rights in taken if mode & rights]
    record.write_text(json.dumps(changes))
    for path, _, mode in changes:
        try:
            os.chmod(path, mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            tolerable = path in _KERNELS or forbidden_anyway
            if path in hidden or error.errno not in _REFUSALS or not tolerable:
                raise Inconclusive(f"{path} can't be closed to student code: {error.strerror}") from error


def restore(record: Path) -> None:
    """Give everything the mode back that it had, unless somebody has changed it since; without a record, nothing."""
    try:
        changes: list[tuple[str, int, int]] = json.loads(record.read_text())
    except FileNotFoundError:
        return
    except ValueError:
        changes = []  # It was killed while it wrote, so before it had closed anything.
    for path, before, meanwhile in reversed(changes):
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) == meanwhile:
                os.chmod(path, before)
    record.unlink(missing_ok=True)


def _taken(reachable: Collection[str], hidden: Collection[str], folder: str) -> Iterator[tuple[str, int, int]]:
    """Path and mode of what is in `folder` and leads to something reachable, or would be, and what to take from it."""
    for path, mode in _entries(folder):
        if path in reachable:
            yield from _writable(path, mode, hidden)
        elif any(each.startswith(f"{path}/") for each in reachable):
            yield path, mode, _READ_AND_WRITE
            yield from _taken(reachable, hidden, path)
        else:
            yield path, mode, OTHERS


def _writable(path: str, mode: int, hidden: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """What is hidden at `path` or below it, and whatever could be written there, but for devices."""
    if path in hidden:
        yield path, mode, OTHERS
        return
    status = os.lstat(path)
    if stat.S_ISCHR(status.st_mode):
        return
    yield path, mode, _WRITE
    if stat.S_ISDIR(status.st_mode) and mode & stat.S_IXOTH:
        for inner, inner_mode in _entries(path):
            yield from _writable(inner, inner_mode, hidden)


def _entries(folder: str) -> Iterator[tuple[str, int]]:
    """Path and permissions of everything in a folder that is no link."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                mode = entry.stat(follow_symlinks=False).st_mode
                if not stat.S_ISLNK(mode):
                    yield entry.path, stat.S_IMODE(mode)
