"""The main road: an exercise, a submission and a sandbox in, a report out."""

from __future__ import annotations

import hashlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from kata import __version__
from kata.errors import ContentError, SandboxFailure
from kata.exercise import Exercise, Requirement
from kata.protocol import (
    EVENT_BYTES_MAX,
    JOB_BYTES_MAX,
    UIDS_FROM,
    Broken,
    Declared,
    Event,
    Final,
    Finished,
    Job,
    Loaded,
    Numbered,
    Ready,
    Started,
)
from kata.report.model import (
    CheckResult,
    Dependability,
    ExerciseInfo,
    Failure,
    Phases,
    Report,
    SandboxInfo,
    SubmissionInfo,
)
from kata.report.scoring import by_category, judge, overall
from kata.submission import Submission
from kata.wire import WireError, frame, read_frame

if TYPE_CHECKING:
    from kata.sandbox import Connection, Launcher

OnEvent = Callable[[Event], None]

READY_SECONDS = 60.0
"""Until a sandbox must have come up; a guard against a machine that is stuck, not a measure."""

SPARE_SECONDS = 15.0
"""What the host grants a run beyond the exercise's own limit, before it ends the sandbox."""


def grade(
    exercise: Exercise,
    submission: Submission,
    launcher: Launcher,
    *,
    seed: int,
    only: tuple[str, ...] = (),
    coverage: bool = True,
    shrink: bool = True,
    brief: bool = False,
    connection: Connection | None = None,
    keep: Callable[[Connection], None] | None = None,
    on_event: OnEvent | None = None,
    on_log: Callable[[str], None] = lambda log: None,
) -> Report:
    """Grade a submission once.

    `connection` is a sandbox of this launcher that was started ahead; without it one is started. It is closed at the
    end; or `keep` is given it, where it may take a further submission of the same person. `only` restricts the run to
    some requirements, and those that they need. Without `shrink` a property that fails shows the first example that it
    was seen to fail on, not the smallest; a `brief` run skips the checks that can't change what a requirement earns,
    because another one of it is unmet. `on_event` is told everything as it happens. `on_log` is given the
    supervisor's own log when it was closed: it may quote the grader, and so is for the eyes of authors alone.
    Whatever the submission does ends in a report, and so does a sandbox that breaks: then it is inconclusive.
    SandboxUnavailable is raised when there is no sandbox to begin with.
    """
    begun, started_at = time.monotonic(), datetime.now(UTC)
    ready_at = None
    wanted = requirements_of(exercise, only)
    connection = connection or launcher.start()
    stream = EventStream(connection, on_event or (lambda event: None))
    try:
        stream.wait_until_ready()
        connection.write(
            frame(
                msgspec.msgpack.encode(_job(exercise, submission, wanted, seed, coverage, shrink, brief)), JOB_BYTES_MAX
            )
        )
        ready_at = time.monotonic()
        stream.run(deadline=ready_at + exercise.limits.run_seconds + SPARE_SECONDS)
    except (SandboxFailure, WireError, EOFError, TimeoutError) as error:
        stream.problem = stream.problem or _broken_off(error)
    finally:
        if keep is not None and stream.is_conclusive():
            keep(connection)
        else:
            _close(connection, stream, on_log)
    return _report(exercise, submission, launcher.info(), wanted, only, seed, stream, started_at, begun, ready_at)


def _close(connection: Connection, stream: EventStream, on_log: Callable[[str], None]) -> None:
    """Close the sandbox, and add to the stream's problem what only its end could tell."""
    ending = connection.close()
    on_log(ending.errors)
    if ending.out_of_memory and not stream.is_conclusive():
        stream.problem = _OUT_OF_MEMORY
    elif stream.problem is not None and stream.problem.kind == "our-fault" and stream.may_show_errors():
        stream.problem = msgspec.structs.replace(stream.problem, got=ending.errors.strip()[-2_000:])


def requirements_of(exercise: Exercise, only: Sequence[str] = ()) -> tuple[Requirement, ...]:
    """The requirements to judge, in the exercise's order: all, or those named and what they need."""
    if not only:
        return exercise.requirements
    wanted = set(only)
    for requirement in reversed(exercise.requirements):
        if requirement.id in wanted:
            wanted.update(requirement.needs)
    return tuple(requirement for requirement in exercise.requirements if requirement.id in wanted)


def grader_files(exercise: Exercise) -> dict[str, bytes]:
    """What travels to the supervisor: the grader's own modules, without its wrong and right submissions."""
    files = {path.name: path.read_bytes() for path in sorted(exercise.grader_folder.glob("*.py"))}
    if not files:
        raise ContentError(
            f"{exercise.grader_folder} holds no grader.", "Write test_correctness.py there, or install again."
        )
    return files


class EventStream:
    """The supervisor's events, validated as they arrive, and what they amount to.

    Only a whole stream counts: numbered without gaps, every declared check ended exactly once, and at the end the
    supervisor's own count and digest of it all.
    """

    def __init__(self, connection: Connection, on_event: OnEvent) -> None:
        self._connection = connection
        self._on_event = on_event
        self._deadline = time.monotonic() + READY_SECONDS
        self._digest = hashlib.sha256()
        self._number = 0
        self.ready: Ready | None = None
        self.loaded: Loaded | None = None
        self.final: Final | None = None
        self.ended = time.monotonic()
        """When the last event had come."""
        self.problem: Failure | None = None
        self.declared: dict[str, str] = {}
        """Id of each check, with its requirement."""
        self.results: dict[str, CheckResult] = {}
        self._running: set[str] = set()

    def wait_until_ready(self) -> Ready:
        """Until the supervisor has come up. SandboxFailure when it is another version's."""
        event = self._next()
        if isinstance(event, Broken):
            raise SandboxFailure(f"The supervisor could not start: {event.message}.", "`kata doctor` may tell why.")
        if not isinstance(event, Ready):
            raise WireError(f"{type(event).__name__} came before Ready")
        if event.version != __version__:
            raise SandboxFailure(
                f"The sandbox has kata {event.version}, and this is {__version__}.",
                "`kata sandbox build` makes a new one.",
            )
        self.ready = event
        return event

    def run(self, deadline: float) -> None:
        """Until the final event; TimeoutError at the deadline (of time.monotonic)."""
        self._deadline = deadline
        try:
            while self.final is None and self.problem is None:
                digest = self._digest.hexdigest()
                self._take(self._next(), digest)
        finally:
            self.ended = time.monotonic()

    def is_conclusive(self) -> bool:
        """Whether it is whole, and every check could be judged."""
        return self.final is not None and all(each.outcome != "inconclusive" for each in self.results.values())

    def may_show_errors(self) -> bool:
        """Whether the supervisor's own log may be shown: from the first check on it can hold lines of the grader."""
        return not self.declared

    def _take(self, event: Event, digest: str) -> None:
        match event:
            case Declared(checks=checks):
                if self.declared:
                    raise WireError("the checks were declared twice")
                self.declared = {check_id: requirement for check_id, requirement, _ in checks}
            case Loaded() if self.loaded is None:
                self.loaded = event
            case Started(id=check_id):
                if check_id not in self.declared or check_id in self.results or check_id in self._running:
                    raise WireError(f"check {check_id!r} can't start now")
                self._running.add(check_id)
            case Finished(result=result):
                if result.id not in self._running:
                    raise WireError(f"check {result.id!r} ended, but it was not running")
                self._running.remove(result.id)
                self.results[result.id] = result
            case Final():
                if (
                    event.digest != digest
                    or event.finished != len(self.results)
                    or set(self.results) != set(self.declared)
                ):
                    raise WireError("the stream's end does not fit the rest of it")
                self.final = event
            case Broken(message=message):
                self.problem = Failure(kind="our-fault", message=f"The grader broke: {message}", advice=_REPORT_IT)
            case _:
                raise WireError(f"{type(event).__name__} came at the wrong moment")

    def _next(self) -> Event:
        payload = read_frame(self._read_exactly, EVENT_BYTES_MAX)
        try:
            numbered = msgspec.msgpack.decode(payload, type=Numbered)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"a malformed event, {type(error).__name__}") from None
        if numbered.number != self._number:
            raise WireError(f"event {numbered.number} came where {self._number} was due")
        self._number += 1
        self._digest.update(payload)
        self._on_event(numbered.event)
        return numbered.event

    def _read_exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._connection.read(size - len(data), self._deadline - time.monotonic())
            if not part:
                raise EOFError
            data += part
        return bytes(data)


_REPORT_IT = "This is our fault, and costs you nothing. Run it again; if it stays, report it with the seed."

_OUT_OF_MEMORY = Failure(
    kind="exit",
    message="The submission used up all the memory of its sandbox, and the run was ended.",
    advice="Look for something that only ever grows: a list, a cache without a bound, processes that are never ended.",
)


def _broken_off(error: Exception) -> Failure:
    if isinstance(error, SandboxFailure):
        return Failure(kind="our-fault", message=error.message, advice=error.remedy or _REPORT_IT)
    reasons = {
        EOFError: "The sandbox ended before the grading had",
        TimeoutError: "The run's time was up before the grading had ended",
    }
    reason = reasons.get(type(error), f"The sandbox's report can't be trusted ({error})")
    return Failure(kind="our-fault", message=f"{reason}: not graded.", advice=_REPORT_IT)


def _job(
    exercise: Exercise,
    submission: Submission,
    wanted: Sequence[Requirement],
    seed: int,
    coverage: bool,
    shrink: bool,
    brief: bool,
) -> Job:
    return Job(
        exercise=exercise.id,
        file=exercise.file,
        provides=exercise.provides,
        stub=exercise.stub.read_bytes(),
        limits=exercise.limits,
        requirements={requirement.id: requirement.needs for requirement in wanted},
        seed=seed,
        coverage=coverage,
        shrink=shrink,
        brief=brief,
        grader=grader_files(exercise),
        submission=submission.files,
        # RLIMIT_NPROC counts by user id across containers: no other run on this host is likely to draw the same 64.
        uid_base=UIDS_FROM + 64 * random.SystemRandom().randrange(1 << 22),
    )


def _report(
    exercise: Exercise,
    submission: Submission,
    sandbox: SandboxInfo,
    wanted: Sequence[Requirement],
    only: tuple[str, ...],
    seed: int,
    stream: EventStream,
    started_at: datetime,
    begun: float,
    ready_at: float | None,
) -> Report:
    failure = stream.loaded.failure if stream.loaded and stream.final else None
    checks: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for check_id, requirement in stream.declared.items():
        if check_id in stream.results:
            checks[requirement].append(stream.results[check_id])
    requirements = judge(exercise, wanted, checks)
    problem = failure or stream.problem
    if problem is not None:
        # Nothing of a run that was cut short counts: neither for the student, nor against.
        outcome = "inconclusive" if problem.kind == "our-fault" else "unmet"
        requirements = tuple(
            msgspec.structs.replace(requirement, earned=0, outcome=outcome) for requirement in requirements
        )
    categories = by_category(requirements)
    ended = time.monotonic()
    loaded = stream.loaded.seconds if stream.loaded else 0.0
    return Report(
        exercise=ExerciseInfo(id=exercise.id, title=exercise.title, digest=exercise.digest()),
        submission=SubmissionInfo(
            name=submission.name,
            digest=submission.digest,
            files=tuple(sorted(submission.files)),
            lines=code_lines(submission.files.get(exercise.file, b"")),
        ),
        score=sum(category.earned for category in categories),
        max_score=sum(category.points for category in categories),
        outcome=overall(requirements),
        sandbox=msgspec.structs.replace(
            sandbox,
            protections=stream.ready.protections if stream.ready else (),
            python=stream.ready.python if stream.ready else "",
        ),
        seed=seed,
        only=only,
        requirements=requirements,
        categories=categories,
        phases=Phases(
            start_seconds=round((ready_at or ended) - begun, 6),
            load_seconds=loaded,
            checks_seconds=round(max(0.0, stream.ended - (ready_at or stream.ended) - loaded), 6),
            total_seconds=round(ended - begun, 6),
        ),
        dependability=stream.final.dependability if stream.final else Dependability(),
        unexecuted=stream.final.unexecuted if stream.final else None,
        problem=problem,
        output=stream.loaded.output if stream.loaded else "",
        started_at=started_at.isoformat(timespec="seconds"),
        kata_version=__version__,
        grader_digest=exercise.grader_digest(),
        replay=_replay(exercise, only, seed, sandbox.name),
    )


def code_lines(source: bytes) -> int:
    """Lines that hold code: neither blank nor only a comment."""
    lines = (line.strip() for line in source.splitlines())
    return sum(1 for line in lines if line and not line.startswith(b"#"))


def _replay(exercise: Exercise, only: tuple[str, ...], seed: int, sandbox: str) -> str:
    restricted = "".join(f" --only {requirement}" for requirement in only)
    return f"kata check {exercise.id}{restricted} --seed {seed} --sandbox {sandbox}"
