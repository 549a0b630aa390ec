"""Where submissions run. A sandbox is a command with a stdin and a stdout: a job goes in, events come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kata.protocol import SandboxName
from kata.report.model import SandboxInfo


class Connection(Protocol):
    """A running supervisor: the pipe to it and the pipe from it.

    All of its methods raise SandboxFailure for what is our fault or the machine's.
    """

    def write(self, data: bytes) -> None:
        """Send bytes to the supervisor's stdin. It stays open until `close`: the supervisor ends when it closes."""

    def read(self, size: int, timeout_seconds: float) -> bytes:
        """Up to `size` bytes of the supervisor's stdout; b"" at its end. TimeoutError when none came in time."""

    def close(self) -> Ending:
        """End the supervisor and everything in its sandbox, leave nothing behind, say how it had ended. Idempotent."""


class Ending(Protocol):
    """How a supervisor ended."""

    @property
    def status(self) -> int | None:
        """Its exit status; None when it was still running and was ended by `close`."""

    @property
    def out_of_memory(self) -> bool:
        """Its sandbox went over its memory limit: the submission's failure."""

    @property
    def errors(self) -> str:
        """The end of its stderr, for our own eyes: only ever shown with an inconclusive result."""


class Launcher(Protocol):
    """One kind of sandbox, on this machine."""

    name: str
    is_lasting: bool
    """Whether a sandbox may be kept for a further job. Not where others have to wait until it is closed."""

    def start(self, lanes: int = 1) -> Connection:
        """Start a supervisor; returns at once, while it is still importing. Raises SandboxUnavailable.

        It runs so many checks side by side: who grades one submission has the cores for that, a batch has not.
        """

    def info(self) -> SandboxInfo:
        """What it isolates, without what only a run can tell (protections, python)."""


Progress = Callable[[str], None]
"""Receives a line of progress, for people: `Building the image (2/4): resolving packages`."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Whether this machine has one kind of sandbox, for `kata doctor` and for choosing."""

    name: SandboxName
    available: bool
    summary: str
    """A sentence: `Docker Engine 27.1 answers.` or why not: `No docker daemon answers at unix:///var/run/docker.sock.`"""
    remedy: str = ""
    """How to get it, or how to get more of it; empty when there is nothing to do."""
    facts: tuple[tuple[str, str], ...] = ()
    """Label and value: version, image, kernel features."""
