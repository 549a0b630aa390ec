"""Grades on this machine: workers that each keep a sandbox started ahead of need."""

from __future__ import annotations

import queue
import threading
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
    """Grades `workers` submissions at a time, each in a fresh sandbox that was starting while the one before was busy.

    Its threads don't keep the program alive: a sandbox ends with the process that started it.
    """

    def __init__(self, launcher: Launcher, workers: int) -> None:
        self.sandbox = launcher.name
        self.for_grades = launcher.info().for_grades
        self._launcher = launcher
        self._todo: queue.SimpleQueue[tuple[Future[Report], Exercise, Submission, int] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def places(self) -> int:
        """How many submissions it grades at a time."""
        return len(self._threads)

    def submit(self, exercise: Exercise, submission: Submission, seed: int) -> Future[Report]:
        """Grade it as soon as a worker is free. The future raises what `kata.grade.grade` does."""
        future: Future[Report] = Future()
        self._todo.put((future, exercise, submission, seed))
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
        ahead: Connection | None = None
        while item := self._todo.get():
            future, exercise, submission, seed = item
            try:
                connection, ahead = ahead or self._launcher.start(), None
                ahead = self._start_ahead()
                future.set_result(grade(exercise, submission, self._launcher, seed=seed, connection=connection))
            except BaseException as error:
                future.set_exception(error)
        if ahead is not None:
            ahead.close()

    def _start_ahead(self) -> Connection | None:
        """The next sandbox. That it can't be had is said by whoever needs it."""
        try:
            return self._launcher.start()
        except SandboxUnavailable:
            return None
