"""The second half of `kata dev check`: grading an exercise's own submissions, many times, side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kata.authoring.grader import read_losses
from kata.authoring.packages import with_packages
from kata.authoring.papers import source_of, submissions_in
from kata.errors import UsageError
from kata.exercise import Exercise
from kata.report.model import Report
from kata.sandbox import Launcher
from kata.series import Series
from kata.submission import Submission, read_submission

Role = Literal["stub", "reference", "right", "wrong"]

WRONG_SHARE = 5
"""There are many wrong submissions: each runs on one in so many of the seeds."""
WRONG_SEEDS_MAX = 5
"""A wrong submission that loses what it names on five seeds is caught; more seeds are for the right ones."""

_READING = threading.Lock()
"""Sources are parsed one at a time: before 3.12 `ast.parse` counts its depth for all threads, and may raise."""

Progress = Callable[[int, int, str], None]
"""Receives how many runs are done, how many there are, and what was graded last: `15-caching right/lists`."""


@dataclass(frozen=True)
class Subject:
    """One of an exercise's own submissions."""

    exercise: Exercise
    role: Role
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem if self.role in ("right", "wrong") else self.role


@dataclass(frozen=True)
class Trial:
    """One run of one subject. `report` is None when the submission could not be read; `problem` says why."""

    subject: Subject
    seed: int
    report: Report | None
    problem: str = ""
    log: str = ""
    """What the supervisor wrote for authors: the traceback of a check that broke."""


def subjects_of(exercise: Exercise) -> list[Subject]:
    """The stub, the reference, and all that stand in `right/` and `wrong/`."""
    subjects = [
        Subject(exercise, "stub", exercise.stub),
        Subject(exercise, "reference", exercise.solution_folder / exercise.file),
    ]
    for role in ("right", "wrong"):
        paths = submissions_in(exercise.grader_folder / role, exercise.file)
        subjects += [Subject(exercise, role, path) for path in paths]
    return subjects


def run_trials(
    subjects: list[Subject], launcher: Launcher, *, seeds: range, jobs: int, progress: Progress, full: bool = False
) -> list[Trial]:
    """Grade every subject: right ones on all seeds, wrong ones on the first few, the stub on the first.

    They are all the author's, so they take turns in one sandbox for each of the jobs, `jobs` at a time. Unless
    `full`, wrong ones are graded by the requirements alone that they name, each until a check of it is unmet. A run
    that was inconclusive is repeated once when all others are done, alone, because a busy machine is the commonest
    reason for it. KeyboardInterrupt waits for no more than the runs under way.
    """
    planned = list(_plan(subjects, seeds))
    trials: list[Trial] = []
    executor = ThreadPoolExecutor(max_workers=jobs)
    idle = [Series(launcher, ahead=False) for _ in range(jobs)]

    def try_one(subject: Subject, seed: int) -> Trial:
        series = idle.pop()
        try:
            # Lines are followed once, to see that this changes no verdict.
            return _try(subject, seed, series, seed == seeds.start and subject.role == "reference", full)
        finally:
            idle.append(series)

    try:
        futures = [executor.submit(try_one, subject, seed) for subject, seed in planned]
        for future in as_completed(futures):
            trial = future.result()
            trials.append(trial)
            progress(len(trials), len(planned), f"{trial.subject.exercise.id} {_label(trial.subject)}")
        return [_again(trial, launcher, full) if _inconclusive(trial) else trial for trial in trials]
    finally:
        executor.shutdown(cancel_futures=True)
        for series in idle:
            series.close()


def _plan(subjects: list[Subject], seeds: range) -> Iterator[tuple[Subject, int]]:
    for_wrong = min(WRONG_SEEDS_MAX, -(-len(seeds) // WRONG_SHARE))
    for subject in subjects:
        most = {"stub": 1, "wrong": for_wrong}.get(subject.role, len(seeds))
        for seed in seeds[:most]:
            yield subject, seed


def _try(subject: Subject, seed: int, series: Series, coverage: bool, full: bool) -> Trial:
    try:
        with _READING:
            submission = _read(subject)
            brief = not full and subject.role == "wrong"
            only = _named_by(subject) if brief else ()
    except UsageError as problem:
        return Trial(subject, seed, None, f"{problem.message} {problem.remedy}".strip())
    log: list[str] = []
    report = series.grade(
        "author",
        subject.exercise,
        submission,
        seed=seed,
        only=only,
        coverage=coverage,
        shrink=False,
        brief=brief,
        on_log=log.append,
    )
    return Trial(subject, seed, report, log="".join(log))


def _named_by(subject: Subject) -> tuple[str, ...]:
    """The requirements that a wrong submission says it loses; what doesn't exist is another finding."""
    losses = read_losses(source_of(subject.path, subject.exercise.file))
    known = {requirement.id for requirement in subject.exercise.requirements}
    return tuple(sorted(losses.named & known)) if losses else ()


def _again(trial: Trial, launcher: Launcher, full: bool) -> Trial:
    series = Series(launcher, ahead=False)
    try:
        return _try(trial.subject, trial.seed, series, coverage=False, full=full)
    finally:
        series.close()


def _read(subject: Subject) -> Submission:
    return with_packages(read_submission(subject.path, subject.exercise.file))


def _inconclusive(trial: Trial) -> bool:
    return trial.report is not None and trial.report.outcome == "inconclusive"


def _label(subject: Subject) -> str:
    return f"{subject.role}/{subject.name}" if subject.role in ("right", "wrong") else subject.role
