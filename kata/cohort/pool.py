"""Grades on this machine: workers that each grade one submission after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from kata.exercise import Exercise
from kata.report.model import Report
from kata.series import Series
from kata.submission import Submission

if TYPE_CHECKING:
    from kata.sandbox import Launcher


class Pool:
    """Grades `workers` submissions at a time; sandboxes are as in `kata.series`, started ahead of need.

    Its threads don't keep the program alive: a sandbox ends with the process that started it.
    """

    def __init__(self, launcher: Launcher, workers: int) -> None:
        self.sandbox = launcher.name
        self.for_grades = launcher.info().for_grades
        self._launcher = launcher
        self._todo: queue.SimpleQueue[tuple[Future[Report], Callable[[Series], Report]] | None] = queue.SimpleQueue()
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
        self._todo.put((future, lambda series: series.grade(person, exercise, submission, seed=seed)))
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
        series = Series(self._launcher, ahead=True)
        while item := self._todo.get():
            future, do = item
            try:
                future.set_result(do(series))
            except BaseException as error:
                future.set_exception(error)
        series.close()
