"""Grades on this machine: workers that keep one sandbox for whom they are grading, and a fresh one for who is next."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from kata.errors import SandboxUnavailable
from kata.exercise import Exercise
from kata.grade import grade
from kata.report.model import Report
from kata.submission import Submission

if TYPE_CHECKING:
    from kata.sandbox import Connection, Launcher


class Pool:
    """Grades `workers` submissions at a time, each person's in a sandbox that nobody else's submission ever was in.

    It was starting while the one before was busy. Submissions of one person that come one after the other share it.
    Its threads don't keep the program alive: a sandbox ends with the process that started it.
    """

    def __init__(self, launcher: Launcher, workers: int) -> None:
        self.sandbox = launcher.name
        self.for_grades = launcher.info().for_grades
        self._launcher = launcher
        self._todo: queue.SimpleQueue[tuple[Future[Report], Callable[[_Worker], Report]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def places(self) -> int:
        """How many submissions it grades at a time."""
        return len(self._threads)

    def submit(self, exercise: Exercise, submission: Submission, seed: int, person: str) -> Future[Report]:
        """Grade a submission of that person's as soon as a worker is free.

        The future raises what `kata.grade.grade` does.
        """
        future: Future[Report] = Future()
        self._todo.put((future, lambda worker: worker.grade(exercise, submission, seed, person)))
        return future

    def close(self, *, wait: bool) -> None:
        """Let the workers end; what has not begun is left. Without `wait` what runs is left to itself, too."""
        while not self._todo.empty():
            self._todo.get()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _work(self) -> None:
        worker = _Worker(self._launcher)
        while item := self._todo.get():
            future, do = item
            try:
                future.set_result(do(worker))
            except BaseException as error:
                future.set_exception(error)
        worker.close()


class _Worker:
    """Grades one submission after the other, with two sandboxes: one at work, and a fresh one for who is next."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._fresh: Connection | None = None
        self._used: Connection | None = None
        self._person = ""
        """Whose submissions the used one has graded."""

    def grade(self, exercise: Exercise, submission: Submission, seed: int, person: str) -> Report:
        """In the sandbox that this person's last submission was graded in, where there is one, else in a fresh one."""
        used, self._used = self._used, None
        if used is not None and person == self._person:
            report = self._grade(used, exercise, submission, seed)
            if report.outcome != "inconclusive":
                return report
        elif used is not None:
            used.close()
        self._person = person
        fresh, self._fresh = self._fresh or self._launcher.start(), None
        return self._grade(fresh, exercise, submission, seed)

    def _grade(self, sandbox: Connection, exercise: Exercise, submission: Submission, seed: int) -> Report:
        self._start_ahead()
        keep = self._keep if self._launcher.is_lasting else None
        return grade(exercise, submission, self._launcher, seed=seed, connection=sandbox, keep=keep)

    def _keep(self, sandbox: Connection) -> None:
        self._used = sandbox

    def _start_ahead(self) -> None:
        """The next sandbox. That it can't be had is said by whoever needs it."""
        with contextlib.suppress(SandboxUnavailable):
            self._fresh = self._fresh or self._launcher.start()

    def close(self) -> None:
        for sandbox in (self._fresh, self._used):
            if sandbox is not None:
                sandbox.close()
