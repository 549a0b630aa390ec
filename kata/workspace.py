"""What belongs to the student: the copies they work in, and their progress.

Below one folder (`state_folder`) live `progress.json`, with a record for each exercise, and `reports/`, with
the last report of each. Both are replaced whole and atomically, under a lock, so that two checks at once lose
nothing.

What a run changes:

- An inconclusive run changes no score, no requirement and no count: it was our fault.
- A run that was restricted to some requirements (`--only`) changes those requirements, and no score.
- The best score counts in whatever sandbox it was made, and is marked with it; the same score in a sandbox
  that is fit for grades replaces a practice score.
- An attempt is a submission that differs from the one judged before it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from kata.errors import KataError, UsageError

if TYPE_CHECKING:
    from kata.exercise import Exercise
    from kata.report.model import Report

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
"""What decoding raises when a file isn't what was written."""

Standing = Literal["not started", "started", "scored", "solved"]


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best full run of an exercise."""

    score: int
    max_score: int
    sandbox: str
    for_grades: bool
    """False when it was made where nothing is isolated: a practice score."""
    seed: int
    submission: str
    """SHA-256 (hex) of the submission."""
    categories: dict[str, tuple[int, int]]
    """For each category what was earned, and out of how many points."""
    at: str
    """ISO 8601, UTC; so are the other times here."""


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The last run of an exercise, of whatever kind."""

    score: int
    max_score: int
    outcome: str
    only: tuple[str, ...]
    sandbox: str
    at: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one student's work on one exercise."""

    workspace: str | None = None
    """The absolute path that `kata start` made."""
    started_at: str | None = None
    attempts: int = 0
    judged: str = ""
    """SHA-256 (hex) of the submission that the last attempt was."""
    best: Best | None = None
    last: Last | None = None
    outcomes: dict[str, str] = {}
    """For each requirement the last outcome that wasn't inconclusive."""
    hints: dict[str, int] = {}
    """For each requirement how many rungs were opened."""

    @property
    def is_practice(self) -> bool:
        """Whether the best score was made in a sandbox that isn't fit for grades."""
        return self.best is not None and not self.best.for_grades

    @property
    def standing(self) -> Standing:
        if self.best is None:
            return "started" if self.workspace or self.last or self.hints else "not started"
        return "solved" if self.best.score >= self.best.max_score else "scored"


class _Progress(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal[1] = 1
    exercises: dict[str, Record] = {}


class _Format(msgspec.Struct):
    format: int


class Change(NamedTuple):
    """An exercise's record before a run and after it."""

    before: Record
    after: Record


def state_folder() -> Path:
    """Where state lives: `$KATA_HOME`, or else where this platform keeps the state of programs."""
    home = os.environ.get("KATA_HOME")
    if home:
        return Path(home).absolute()
    from platformdirs import user_state_path

    return user_state_path("kata")


def now() -> str:
    """The time of day, UTC, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class State:
    """The student's progress and last reports, below one folder.

    `notice` receives a sentence for people when something was found broken and set aside. Methods that write
    raise KataError when the folder can't be written.
    """

    def __init__(self, folder: Path | None = None, notice: Callable[[str], None] = lambda _: None) -> None:
        self.folder = folder or state_folder()
        self._notice = notice

    def records(self) -> dict[str, Record]:
        """The records of all exercises that have one."""
        try:
            return _decode(self._progress_file).exercises
        except UNREADABLE:
            with self._lock():
                return self._read_locked().exercises

    def record(self, exercise_id: str) -> Record:
        return self.records().get(exercise_id, Record())

    def started(self, exercise_id: str, folder: Path) -> None:
        """Remember the workspace that was made for an exercise."""

        def update(record: Record) -> Record:
            return msgspec.structs.replace(
                record, workspace=str(folder.absolute()), started_at=record.started_at or now()
            )

        self._update(exercise_id, update)

    def ran(self, report: Report) -> Change:
        """Keep the report as the exercise's last one, and count its run as the rules above say."""
        from kata.report.model import to_json

        with self._writing():
            write_atomically(self._report_file(report.exercise.id), to_json(report))
        return self._update(report.exercise.id, lambda record: after_run(record, report))

    def open_rung(self, exercise_id: str, requirement_id: str, rungs: int) -> Change:
        """Count the next rung of a requirement's hints as used, unless all `rungs` are."""

        def update(record: Record) -> Record:
            used = min(record.hints.get(requirement_id, 0) + 1, rungs)
            return msgspec.structs.replace(record, hints={**record.hints, requirement_id: used})

        return self._update(exercise_id, update)

    def last_report(self, exercise_id: str) -> Report | None:
        """The report of the exercise's last run; None when there is none, or none that can be read."""
        from kata.report.model import from_json

        path = self._report_file(exercise_id)
        try:
            return from_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except UNREADABLE:
            self._set_aside(path)
            return None

    def keep(self, name: str, data: bytes) -> Path:
        """Write a file of that name into the state folder, and return where it is."""
        path = self.folder / name
        with self._writing():
            write_atomically(path, data)
        return path

    @property
    def _progress_file(self) -> Path:
        return self.folder / "progress.json"

    def _report_file(self, exercise_id: str) -> Path:
        return self.folder / "reports" / f"{exercise_id}.json"

    def _update(self, exercise_id: str, update: Callable[[Record], Record]) -> Change:
        with self._lock():
            progress = self._read_locked()
            before = progress.exercises.get(exercise_id, Record())
            after = update(before)
            if after != before:
                exercises = {**progress.exercises, exercise_id: after}
                data = msgspec.json.format(msgspec.json.encode(_Progress(exercises=exercises)), indent=1)
                write_atomically(self._progress_file, data + b"\n")
        return Change(before, after)

    def _read_locked(self) -> _Progress:
        """The progress; a file that can't be understood is set aside first."""
        try:
            return _decode(self._progress_file)
        except UNREADABLE:
            self._set_aside(self._progress_file)
            return _Progress()

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}")
        with self._writing():
            path.rename(aside)
        self._notice(f"{path} could not be understood; it was set aside as {aside.name}, and a new one begun.")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise KataError(
                f"The state in {self.folder} can't be written: {error.strerror}.",
                f"Make {'room on its disk' if full else 'that folder writable'}, or set KATA_HOME to another one.",
            ) from error


def after_run(record: Record, report: Report) -> Record:
    """What an exercise's record becomes through a run: the rules above."""
    last = Last(
        score=report.score,
        max_score=report.max_score,
        outcome=report.outcome,
        only=report.only,
        sandbox=report.sandbox.name,
        at=report.started_at,
    )
    judged = {r.id: str(r.outcome) for r in report.requirements if r.outcome != "inconclusive"}
    if report.only:
        return msgspec.structs.replace(record, last=last, outcomes={**record.outcomes, **judged})
    if report.outcome == "inconclusive":
        return msgspec.structs.replace(record, last=last)
    return msgspec.structs.replace(
        record,
        last=last,
        outcomes=judged,
        attempts=record.attempts + (report.submission.digest != record.judged),
        judged=report.submission.digest,
        best=_better(record.best, report),
    )


def _better(best: Best | None, report: Report) -> Best:
    if best and (best.score, best.for_grades) >= (report.score, report.sandbox.for_grades):
        return best
    return Best(
        score=report.score,
        max_score=report.max_score,
        sandbox=report.sandbox.name,
        for_grades=report.sandbox.for_grades,
        seed=report.seed,
        submission=report.submission.digest,
        categories={score.category: (score.earned, score.points) for score in report.categories},
        at=report.started_at,
    )


def _decode(path: Path) -> _Progress:
    """Read the progress; none yet is an empty one. MsgspecError when it can't be understood."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Progress()
    except OSError as error:
        raise KataError(
            f"{path} can't be read: {error.strerror}.",
            "Make it readable, or set KATA_HOME to another folder.",
        ) from error
    if msgspec.json.decode(data, type=_Format).format > 1:
        raise KataError(f"{path} was written by a newer kata.", "Update kata, or set KATA_HOME to another folder.")
    return msgspec.json.decode(data, type=_Progress)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by one with that content, or leave it as it was; folders are made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


HINTS = """\
# Hints for {exercise}

They are locked, so that none is read by accident. Each requirement has its own ladder of them: first the
idea, then the property, then a pointer.

    {first}   the next one, for the first requirement that is unmet
    {named}   the next one for the requirement that you name

What you opened is remembered, and can be read again.
"""


def _locked_hints(exercise: Exercise) -> str:
    first = f"kata hint {exercise.id}"
    named = f"{first} {exercise.requirements[0].id}"
    return HINTS.format(exercise=exercise.id, first=first.ljust(len(named)), named=named)


class Made(NamedTuple):
    """What `make_workspace` did: names of the files it wrote, and of those it left as they were."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def make_workspace(exercise: Exercise, folder: Path) -> Made:
    """Put the README, the stub and a page about hints into a folder; whatever exists is left as it is.

    Raises UsageError when the folder can't be made or written.
    """
    contents = {
        "README.md": (exercise.folder / "README.md").read_bytes(),
        exercise.file: exercise.stub.read_bytes(),
        "HINTS.md": _locked_hints(exercise).encode(),
    }
    written, kept = [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            try:
                with (folder / name).open("xb") as file:
                    file.write(content)
                written.append(name)
            except FileExistsError:
                kept.append(name)
    except OSError as error:
        raise UsageError(
            f"{folder} can't be used as a workspace: {error.strerror}.", "Name another folder to make it in."
        ) from error
    return Made(tuple(written), tuple(kept))
