"""What passes between the host and the supervisor: one job in, numbered events out, both as frames of msgpack.

The host validates every event on arrival (`kata.wire.read_frame` bounds its size, msgspec its shape) and trusts
nothing else that leaves a sandbox. Rules for the stream: SANDBOX in ARCHITECTURE.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kata.exercise import Limits
from kata.report.model import CheckResult, Dependability, Failure, Unexecuted

JOB_BYTES_MAX = 16 * 1024 * 1024
EVENT_BYTES_MAX = 4 * 1024 * 1024

FIXED_HASHES = {"PYTHONHASHSEED": "0"}
"""In the environment of supervisors and of student code: sets of text iterate alike whenever a run is replayed."""

UIDS_FROM = 0x40000000
"""The user ids of jobs begin here."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """All that a supervisor needs to grade one submission once."""

    exercise: str
    file: str
    """Name of the submission's entry file."""
    provides: tuple[str, ...]
    stub: bytes
    """The interface, as the student was given it."""
    limits: Limits
    requirements: dict[str, tuple[str, ...]]
    """Ids of the requirements to judge, in order, each with those it needs."""
    seed: int
    coverage: bool
    shrink: bool
    """Look for the smallest example of a property that fails."""
    brief: bool
    """Skip the other checks of a requirement once one of them is unmet: they can't change what it earns."""
    grader: dict[str, bytes]
    """The grader's files by relative name."""
    submission: dict[str, bytes]
    uid_base: int
    """First of 64 user ids that no other run on this host uses."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """Everything is imported; a job may come."""

    version: str
    """Of the kata package in the sandbox: the host refuses another."""
    python: str
    protections: tuple[str, ...]


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """All checks that will be run, before the first is: (id, requirement, sentence)."""

    checks: tuple[tuple[str, str, str], ...]


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The submission was imported, or why it could not be; in that case no check is run."""

    failure: Failure | None
    output: str
    seconds: float


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    id: str


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    result: CheckResult


class Final(msgspec.Struct, frozen=True, kw_only=True, tag="final"):
    """The end of a whole stream. Without it nothing was graded."""

    finished: int
    """How many checks ended."""
    digest: str
    """SHA-256 (hex) over the payloads of all frames before this one."""
    dependability: Dependability
    unexecuted: tuple[Unexecuted, ...] | None


class Broken(msgspec.Struct, frozen=True, kw_only=True, tag="broken"):
    """The supervisor itself failed; the run is inconclusive."""

    message: Annotated[str, Meta(max_length=20_000)]


Event = Ready | Declared | Loaded | Started | Finished | Final | Broken


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """An event as it is sent: numbered from 0, without gaps."""

    number: Annotated[int, Meta(ge=0)]
    event: Event


SandboxName = Literal["docker", "bubblewrap", "inside", "process"]
