"""The coordinator: grades what the ledger lacks, and lets no result count that is not written down."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from math import inf

from kata.cohort.ledger import Job, Ledger
from kata.exercise import Exercise
from kata.report.model import Report
from kata.submission import Submission

Submit = Callable[[Exercise, Submission, int], Future[Report]]
"""Begins to grade a submission with a seed, on this machine or another."""


@dataclass
class Progress:
    """How far a run is."""

    all: int
    """Jobs that were waiting when it began."""
    done: int = 0
    """Those that are judged."""
    unmet: int = 0
    """Those of them that don't meet everything."""
    inconclusive: int = 0
    """Those that stayed inconclusive however often they were tried."""
    stopping: bool = False
    """Whether only what runs is waited for."""

    @property
    def left(self) -> int:
        """Jobs of which nothing is known yet."""
        return self.all - self.done - self.inconclusive


@dataclass
class Coordinator:
    """Has jobs graded and writes down what comes back.

    `places()` jobs at most are begun at a time, and one at least; an inconclusive one is tried `retry` times more.
    `on_progress` is told after each result.
    """

    ledger: Ledger
    exercises: Mapping[str, Exercise]
    submit: Submit
    places: Callable[[], int]
    retry: int
    on_progress: Callable[[Progress], None] = lambda progress: None
    _tries: Counter[str] = field(default_factory=Counter)

    def run(self) -> Progress:
        """Grade all that waits. KeyboardInterrupt once lets running jobs end; twice it comes through."""
        self.ledger.lost()
        todo = _Todo(self.ledger.waiting(), self.ledger.seconds())
        progress = Progress(all=len(todo))
        begun: dict[Future[Report], tuple[Job, int]] = {}
        while begun or (todo and not progress.stopping):
            try:
                while todo and len(begun) < max(1, self.places()) and not progress.stopping:
                    self._begin(todo.next(), begun)
                self.on_progress(progress)
                for future in wait(begun, return_when=FIRST_COMPLETED).done:
                    self._record(*begun.pop(future), future.result(), todo, progress)
            except KeyboardInterrupt:
                if progress.stopping:
                    raise
                progress.stopping = True
        self.on_progress(progress)
        return progress

    def _begin(self, job: Job, begun: dict[Future[Report], tuple[Job, int]]) -> None:
        exercise, submission = self.exercises[job.exercise], self.ledger.submission(job)
        number = self.ledger.began(job)
        seed = int(self.ledger.setting("seed"))
        begun[self.submit(exercise, submission, seed)] = (job, number)

    def _record(self, job: Job, number: int, report: Report, todo: _Todo, progress: Progress) -> None:
        self.ledger.ended(job, number, report)
        todo.took(job.exercise, report.phases.total_seconds)
        self._tries[job.id] += 1
        if report.outcome != "inconclusive":
            progress.done += 1
            progress.unmet += report.outcome != "met"
        elif self._tries[job.id] <= self.retry:
            todo.add(job)
        else:
            progress.inconclusive += 1


class _Todo:
    """Jobs to be begun: those of the exercise that takes longest first, so that cores are busy to the end."""

    def __init__(self, jobs: Sequence[Job], seconds: Mapping[str, float]) -> None:
        self._jobs: dict[str, deque[Job]] = {}
        self._seconds = dict(seconds)
        for job in jobs:
            self.add(job)

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def add(self, job: Job) -> None:
        self._jobs.setdefault(job.exercise, deque()).append(job)

    def next(self) -> Job:
        """Take the next one. Of an exercise of which nothing is known yet one is begun at once, to learn it."""
        waiting = [exercise for exercise, jobs in self._jobs.items() if jobs]
        return self._jobs[max(waiting, key=lambda exercise: self._seconds.get(exercise, inf))].popleft()

    def took(self, exercise: str, seconds: float) -> None:
        """Learn from a run how long such runs take."""
        self._seconds[exercise] = (self._seconds.get(exercise, seconds) + seconds) / 2
