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

Submit = Callable[[Exercise, Submission, int, str], Future[Report]]
"""Begins to grade a submission with a seed, on this machine or another; and whose it is."""


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
        judged: deque[str] = deque()
        while begun or (todo and not progress.stopping):
            try:
                while todo and len(begun) < max(1, self.places()) and not progress.stopping:
                    self._begin(todo.next(judged.popleft() if judged else ""), begun)
                judged.clear()
                self.on_progress(progress)
                for future in wait(begun, return_when=FIRST_COMPLETED).done:
                    job, number = begun.pop(future)
                    self._record(job, number, future.result(), todo, progress)
                    judged.append(job.person)
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
        begun[self.submit(exercise, submission, seed, job.person)] = (job, number)

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
    """Jobs to be begun: one person's in a row, and who takes longest first, so that cores are busy to the end."""

    def __init__(self, jobs: Sequence[Job], seconds: Mapping[str, float]) -> None:
        self._jobs: dict[str, list[Job]] = {}
        """Of each person who has any."""
        self._seconds = dict(seconds)
        for job in jobs:
            self.add(job)
        self._fresh = list(self._jobs)
        """Of whom none was begun, those who take longest last."""
        self._is_sorted = False

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.setdefault(job.person, []).append(job)

    def next(self, person: str) -> Job:
        """Take the next one: that person's, whose sandbox waits, if there is any; the one that takes longest.

        An exercise of which nothing is known yet is taken to be long, so as to learn it.
        """
        if person not in self._jobs:
            person = self._somebody()
        jobs = self._jobs[person]
        job = max(jobs, key=self._seconds_of)
        jobs.remove(job)
        if not jobs:
            del self._jobs[person]
        return job

    def took(self, exercise: str, seconds: float) -> None:
        """Learn from a run how long such runs take."""
        self._is_sorted &= exercise in self._seconds
        self._seconds[exercise] = (self._seconds.get(exercise, seconds) + seconds) / 2

    def _somebody(self) -> str:
        """Of whom nothing was begun; at the end, when there is nobody else, of whom most is left."""
        if not self._is_sorted:
            self._fresh.sort(key=self._total)
            self._is_sorted = True
        while self._fresh:
            person = self._fresh.pop()
            if person in self._jobs:
                return person
        return max(self._jobs, key=self._total)

    def _total(self, person: str) -> float:
        return sum(map(self._seconds_of, self._jobs.get(person, ())))

    def _seconds_of(self, job: Job) -> float:
        return self._seconds.get(job.exercise, inf)
