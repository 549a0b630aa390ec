"""The report: plain data, `format: 1`. Every face is drawn from this alone, also from its JSON.

Whatever a student could write (names, output, exception texts, values) stands in here as hostile text:
it was cut to a length when it was made, and each face escapes it for where it is shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from kata.exercise import Category

Outcome = Literal["met", "unmet", "inconclusive", "skipped"]

FailureKind = Literal[
    "wrong-answer",  # it answered, and the answer is not what a correct system gives
    "exception",  # it raised what a correct system would not
    "no-exception",  # it answered where a correct system raises
    "deadlock",  # everything waits, and nothing will ever happen
    "time-out",  # it used more real time than its limit
    "exit",  # its process ended by itself, or was killed by a limit
    "protocol",  # it sent what no answer may be: too big, malformed, not plain data
    "cost",  # it did more work than its bound
    "load",  # the submission could not be loaded, or lacks what the exercise asks for
    "our-fault",  # a check, the supervisor or the sandbox broke: inconclusive
]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the student's own code."""

    file: str
    line: int
    function: str = ""
    source: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a transcript: what the grader did at a virtual moment, and what came back."""

    at_seconds: float
    text: str
    """What was done, as one would write it in Python: `cache.get('ada')`, or in words: `the store fails`."""
    result: str = ""
    """What came back: `b'v1'`, `raised KeyError: 'ada'`; empty when nothing did."""
    note: str = ""
    """What else it caused: `1 read`."""
    expected: str = ""
    """Set on the line that was wrong: what a correct system gives."""
    process: str = ""
    """The student process it happened in, when there are several."""
    kind: Literal["call", "world", "fault", "student", "message", "crash"] = "call"
    peer: str = ""
    """Of a message: the process that it was sent to; `process` sent it."""
    until_seconds: float | None = None
    """When what began here was over: the message had arrived, the call was answered, the fault had ended. None: it
    never was, or there is nothing to be over."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a check failed, in words for the student."""

    kind: FailureKind
    message: str
    """A sentence: what happened."""
    expected: str = ""
    got: str = ""
    places: tuple[Place, ...] = ()
    """The student's own frames, innermost last."""
    advice: str = ""
    """A sentence: where to look next."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one hidden check found."""

    id: str
    text: str
    """Its sentence about a correct system."""
    outcome: Outcome
    failure: Failure | None = None
    transcript: tuple[Line, ...] = ()
    """Of a check that failed: of the smallest failing run, when there were many."""
    transcript_cut: int = 0
    """How many lines were left out (from the middle)."""
    output: str = ""
    """What the submission printed meanwhile (stdout and stderr)."""
    output_cut: bool = False
    seconds: float = 0.0
    """Real time."""
    virtual_seconds: float = 0.0
    examples: int = 1
    """How many runs it tried (property checks try many)."""


class RequirementResult(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    category: Category
    text: str
    points: int
    earned: int
    outcome: Outcome
    checks: tuple[CheckResult, ...] = ()
    hint: str = ""
    """The command that shows the next hint; empty when it is met."""


class ExerciseInfo(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    digest: str


class SubmissionInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """The file's or folder's own name, without the path to it."""
    digest: str
    files: tuple[str, ...] = ()
    lines: int = 0
    """Of the exercise's file, without blank lines and comments."""


class SandboxInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: Literal["docker", "bubblewrap", "inside", "process"]
    for_grades: bool
    """False for `process`: a practice score must not pass for a graded one."""
    isolates: tuple[str, ...] = ()
    """In words: `files`, `memory`, `network`, `processes` …"""
    lacks: tuple[str, ...] = ()
    """What it does not isolate, in words."""
    protections: tuple[str, ...] = ()
    """Kernel features that were active: `seccomp`, `own uid`, `no_new_privs` …"""
    image: str = ""
    """The image's digest, for docker."""
    python: str = ""
    """Version of Python that ran the submission."""


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """Where the real time went, in seconds."""

    start_seconds: float = 0.0
    """Until the sandbox was ready for a job."""
    load_seconds: float = 0.0
    """Until the grader was collected and the submission imported."""
    checks_seconds: float = 0.0
    total_seconds: float = 0.0


class CategoryScore(msgspec.Struct, frozen=True, kw_only=True):
    category: Category
    earned: int
    points: int


class Dependability(msgspec.Struct, frozen=True, kw_only=True):
    """How it did while faults were on, and how often its answers were right; counts, so that runs can be added up.

    availability = answered / operations; reliability = right / answers; each None when there was none.
    """

    operations: int = 0
    """Calls made to the submission while a fault was on."""
    answered: int = 0
    """Those of them that gave an answer in time, and not an error."""
    answers: int = 0
    """Answers given over the whole run."""
    right: int = 0
    """Those that no check found wrong."""

    @property
    def availability(self) -> float | None:
        return self.answered / self.operations if self.operations else None

    @property
    def reliability(self) -> float | None:
        return self.right / self.answers if self.answers else None


class Unexecuted(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one file that no check ran. Informational: measured in the student's own process."""

    file: str
    lines: tuple[int, ...]
    statements: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result of one run."""

    format: Literal[1] = 1
    exercise: ExerciseInfo
    submission: SubmissionInfo
    score: int
    max_score: int
    outcome: Outcome
    """`met`: all that was asked for is. `inconclusive`: at least one could not be judged, by our fault."""
    sandbox: SandboxInfo
    seed: int
    only: tuple[str, ...] = ()
    """The requirements that the run was restricted to; empty for a full run. The score then counts no others."""
    requirements: tuple[RequirementResult, ...]
    categories: tuple[CategoryScore, ...]
    phases: Phases
    dependability: Dependability
    unexecuted: tuple[Unexecuted, ...] | None = None
    """None when it was not measured."""
    problem: Failure | None = None
    """What kept the run as a whole from being graded: it could not be loaded, the sandbox died, its time was up."""
    output: str = ""
    """What the submission printed while it was imported."""
    started_at: str
    """ISO 8601, UTC."""
    kata_version: str
    grader_digest: str
    replay: str
    """The command that repeats this run exactly."""


def to_json(report: Report) -> bytes:
    """The report as indented UTF-8 JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def from_json(data: bytes) -> Report:
    """Read back what `to_json` wrote; msgspec.ValidationError or DecodeError when it isn't a report of format 1."""
    return msgspec.json.decode(data, type=Report)
