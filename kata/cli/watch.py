"""`kata check --watch`: from a save to the verdict without waiting for a sandbox: the next is always warm."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import complain, dim, echo
from kata.cli.outputs import write_outputs
from kata.errors import KataError, SandboxFailure

if TYPE_CHECKING:
    from watchfiles import Change

    from kata.cli.check import Request
    from kata.sandbox import Connection, Ending, Launcher

QUIET_MS = 20
"""A save is over when nothing more has changed for so long."""
SAVE_MS_MAX = 200
LOOK_EVERY_MS = 2_000
"""How often to look whether the warm sandbox still lives, and for saves that the system didn't report."""
READ_BYTES = 65_536


class Warm:
    """A sandbox that was started ahead. What it says while it waits is kept for whoever grades."""

    def __init__(self, inner: Connection) -> None:
        self._inner = inner
        self._said = b""
        self._ended = False

    def alive(self) -> bool:
        """Whether it still runs; takes no time."""
        while not self._ended:
            try:
                data = self._inner.read(READ_BYTES, 0.0)
            except TimeoutError:
                return True
            except SandboxFailure:
                data = b""
            self._said += data
            self._ended = not data
        return False

    def write(self, data: bytes) -> None:
        self._inner.write(data)

    def read(self, size: int, timeout_seconds: float) -> bytes:
        if self._said:
            data, self._said = self._said[:size], self._said[size:]
            return data
        return b"" if self._ended else self._inner.read(size, timeout_seconds)

    def close(self) -> Ending:
        return self._inner.close()


class Pool:
    """Holds one sandbox ready; whatever it started is closed with it."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._warm: Warm | None = None

    def heat(self) -> None:
        """Start the next sandbox, unless one waits that lives. Raises what `launcher.start` raises."""
        if self._warm and self._warm.alive():
            return
        from kata.sandbox.choose import lanes

        self.close()
        self._warm = Warm(self._launcher.start(lanes()))

    def take(self) -> Warm:
        """A sandbox that lives; whoever takes it closes it."""
        self.heat()
        assert self._warm is not None
        warm, self._warm = self._warm, None
        return warm

    def close(self) -> None:
        if self._warm:
            self._warm.close()
            self._warm = None


def check_on_every_save(request: Request, launcher: Launcher) -> int:
    """Check now and after each save, until Ctrl-C ends it."""
    pool = Pool(launcher)
    try:
        saves = _saves(request.path, pool)
        judged = b""
        for _ in saves:
            content = _content(request.path)
            if content == judged:
                continue
            judged = content
            _check(request, launcher, pool)
    finally:
        pool.close()
    raise AssertionError("watching ends by Ctrl-C alone")


def _check(request: Request, launcher: Launcher, pool: Pool) -> None:
    from kata.cli.check import grade_once, tell

    if not request.quiet:
        click.clear()
    try:
        with contextlib.closing(pool.take()) as connection:
            report = grade_once(request, launcher, connection)
        tell(request, report)
        write_outputs(report, request.outputs)
    except KataError as error:
        # It may be mended with the next save.
        complain(error.message, error.remedy)
    if not request.quiet:
        echo(dim(f"{time.strftime('%H:%M:%S')}  Watching; save to check again, Ctrl-C ends."), err=True)
    _heat(pool)


def _heat(pool: Pool) -> None:
    """Have a sandbox ready; when none can be had, the next check tries again, and says why."""
    with contextlib.suppress(KataError):
        pool.heat()


def _saves(path: Path, pool: Pool) -> Iterator[None]:
    """One item at once, then one whenever it is worth looking whether the submission has changed."""
    from watchfiles import PythonFilter, watch

    whole_folder = path.is_dir()
    own = path.absolute()
    python_files = PythonFilter()

    def belongs(change: Change, name: str) -> bool:
        return python_files(change, name) if whole_folder else Path(name) == own

    # Editors replace files: only the folder around one sees it come back.
    watched = own if whole_folder else own.parent
    changes = watch(
        watched,
        watch_filter=belongs,
        step=QUIET_MS,
        debounce=SAVE_MS_MAX,
        rust_timeout=LOOK_EVERY_MS,
        yield_on_timeout=True,
        recursive=whole_folder,
    )
    yield
    for changed in changes:
        if not changed:
            _heat(pool)
        elif not path.exists():
            continue  # most likely it is being replaced; if it stays away, that is seen at the next look
        yield


def _content(path: Path) -> bytes:
    """A digest of what is to be checked, whether or not it can be graded; hidden files don't count."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("[!.]*.py")) if path.is_dir() else [path]:
        digest.update(str(file).encode(errors="surrogateescape") + b"\0")
        with contextlib.suppress(OSError):
            digest.update(file.read_bytes())
    return digest.digest()
