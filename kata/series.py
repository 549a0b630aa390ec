"""Submissions graded one after the other: each person's in a sandbox that nobody else's submission ever was in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kata.errors import SandboxUnavailable
from kata.exercise import Exercise
from kata.grade import grade
from kata.report.model import Report
from kata.submission import Submission

if TYPE_CHECKING:
    from kata.sandbox import Connection, Launcher


class Series:
    """Grades in the sandbox that is there already where the last submission was the same person's, else in a fresh one.

    With `ahead` the next fresh one starts while one is at work. For one thread.
    """

    def __init__(self, launcher: Launcher, *, ahead: bool) -> None:
        self._launcher = launcher
        self._is_ahead = ahead
        self._fresh: Connection | None = None
        self._used: Connection | None = None
        self._person = ""
        """Whose submissions the used one has graded."""

    def grade(self, person: str, exercise: Exercise, submission: Submission, **options: Any) -> Report:
        """As `kata.grade.grade` with these options. What a used sandbox can't judge is tried again in a fresh one."""
        used, self._used = self._used, None
        if used is not None and person == self._person:
            report = self._grade(used, exercise, submission, options)
            if report.outcome != "inconclusive":
                return report
        elif used is not None:
            used.close()
        self._person = person
        fresh, self._fresh = self._fresh or self._launcher.start(), None
        return self._grade(fresh, exercise, submission, options)

    def close(self) -> None:
        """Leave no sandbox behind."""
        for sandbox in (self._fresh, self._used):
            if sandbox is not None:
                sandbox.close()

    def _grade(
        self, sandbox: Connection, exercise: Exercise, submission: Submission, options: dict[str, Any]
    ) -> Report:
        self._start_ahead()
        keep = self._keep if self._launcher.is_lasting else None
        return grade(exercise, submission, self._launcher, connection=sandbox, keep=keep, **options)

    def _keep(self, sandbox: Connection) -> None:
        self._used = sandbox

    def _start_ahead(self) -> None:
        """The next sandbox. That it can't be had is said by whoever needs it."""
        if self._is_ahead:
            with contextlib.suppress(SandboxUnavailable):
                self._fresh = self._fresh or self._launcher.start()
