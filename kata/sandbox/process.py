"""The `process` sandbox: supervisor and students are ordinary child processes. It isolates crashes, and nothing else.

`ChildConnection` also serves bubblewrap, whose supervisor is an ordinary child too.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kata.catalog import content_root
from kata.errors import SandboxFailure, SandboxUnavailable
from kata.protocol import FIXED_HASHES
from kata.report.model import SandboxInfo
from kata.sandbox import Offer

_PREFIX = "kata-run-"
_ERRORS_SHOWN = 4_000
_END_SECONDS = 3.0
REMOVALS_MAX = 50
"""How often the removal of a folder is tried again, 20 ms apart."""
_NOT_PASSED_ON = ("PYTHON", "PYTEST", "COV_")
"""Of the environment. COVERAGE_PROCESS_CONFIG is: our own tests measure the supervisor by it. A zygote, and so student
code, has an environment of its own in any case."""


@dataclass(frozen=True)
class ChildEnding:
    """How a supervisor that is a child process ended."""

    status: int | None
    errors: str
    out_of_memory: bool = False


class ProcessLauncher:
    """Starts supervisors as children, with rlimits and a process group for each student process."""

    name = "process"
    is_lasting = True

    def start(self, lanes: int = 1) -> ChildConnection:
        return ChildConnection("plain", lanes)

    def info(self) -> SandboxInfo:
        return SandboxInfo(
            name="process",
            for_grades=False,
            isolates=("crashes", "memory, CPU time and files of each process (limits only)"),
            lacks=("files", "network", "other processes", "the grader itself"),
        )


class ChildConnection:
    """A supervisor in a child process, with a private folder in `root` that goes when it ends.

    `options` are further ones of the supervisor's, `inherited` the descriptors that it gets besides.
    """

    def __init__(
        self,
        spawner: str,
        lanes: int,
        *,
        root: Path | None = None,
        options: Sequence[str] = (),
        inherited: Sequence[int] = (),
    ) -> None:
        self._scratch = run_folder(root or _scratch_root())
        self._ending: ChildEnding | None = None
        self._errors = (self._scratch / "errors").open("w+b")
        package = str(Path(__file__).resolve().parents[2])
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        # A relative path would lead elsewhere from the supervisor's own folder.
        environment |= {"PYTHONPATH": package, "KATA_CONTENT": os.path.abspath(content_root()), **FIXED_HASHES}
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-s", "-P", "-X", "utf8", "-m", "kata.supervisor"),
                    *("--spawner", spawner, "--scratch", str(self._scratch), "--lanes", str(lanes)),
                    *options,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=self._scratch,
                env=environment,
                pass_fds=inherited,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise SandboxUnavailable(
                f"A child process could not be started: {error}.", "Close other programs, and try again."
            ) from error

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise SandboxFailure(
                f"The supervisor took no job: {error}.", "Run it again; `kata doctor` may tell why."
            ) from error

    def read(self, size: int, timeout_seconds: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], max(0.0, timeout_seconds))[0]:
            raise TimeoutError
        return os.read(descriptor, size)

    def close(self) -> ChildEnding:
        if self._ending is not None:
            return self._ending
        status = self._process.poll()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # what it had not taken yet can't be flushed any more
            self._process.stdin.close()
        until = time.monotonic() + _END_SECONDS
        try:
            while self.read(1 << 16, until - time.monotonic()):
                pass
            self._process.wait(max(0.0, until - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.seek(0)
        errors = self._errors.read()[-_ERRORS_SHOWN:].decode("utf-8", "replace")
        self._errors.close()
        remove_tree(self._scratch)
        self._ending = ChildEnding(status, errors)
        return self._ending


def offer() -> Offer:
    """Always there where Python can fork."""
    if not hasattr(os, "fork"):
        return Offer(name="process", available=False, summary="This system can't fork.", remedy="Use WSL on Windows.")
    return Offer(
        name="process",
        available=True,
        summary="Always there; isolates nothing but crashes and resources: for practice, not for grades.",
    )


def run_folder(root: Path) -> Path:
    """A private folder for a run of this process, in `root`; those of runs whose kata was killed are removed there."""
    for folder in root.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            remove_tree(folder)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))


def _scratch_root() -> Path:
    """In memory where the system offers it: a run makes and removes a small folder for each student process."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
    return memory if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def remove_tree(folder: Path) -> None:
    """Remove a folder, also where a submission took away the permissions of what is in it."""

    def allow(function: object, path: str, _error: object) -> None:
        if os.fspath(path) != os.fspath(folder):  # what is around the folder is not ours: it may be everybody's /tmp
            os.chmod(os.path.dirname(path), 0o700)
        if os.path.islink(path):
            os.unlink(path)
            return
        os.chmod(path, 0o700)
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

    handler: dict[str, Any] = {"onexc" if sys.version_info >= (3, 12) else "onerror": allow}
    for _ in range(REMOVALS_MAX):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder, **handler)
        if not folder.exists():
            return
        # A process that is just dying may still write there, or a zygote that is just ending take files away itself.
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
