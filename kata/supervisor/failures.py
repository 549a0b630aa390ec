"""The ways in which a check ends other than well. Each carries what the report will say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kata.report.model import Failure, FailureKind, Line, Place
from kata.supervisor.transcript import Entry
from kata.wire import Error


class CheckFailed(Exception):
    """The submission did what a correct system would not have done: the check is unmet."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transcript: tuple[tuple[Line, ...], int] | None = None
        """Where it isn't that of the world's present run: of the smallest failing example."""


class ProcessFailed(CheckFailed):
    """A student process got stuck, ended, or broke the channel's rules. No other example is worth trying after it."""


class Inconclusive(Exception):
    """The check can't tell, by no fault of the submission: a machine too noisy to measure on."""


class NoRoom(Inconclusive):
    """No student process can be started: what all of them share is used up, by others of them or by the machine."""


class StudentError(Exception):
    """An exception that the submission raised, as it crossed.

    `type` is its name, `types` the names of it and all its bases, `message` its text, `places` the student's frames.
    """

    def __init__(self, error: Error, doing: str, entry: Entry | None = None) -> None:
        super().__init__(f"{error.type}: {error.message}" if error.message else error.type)
        self.type = error.type
        self.types = tuple(error.types)
        self.message = error.message
        self.places = places_of(error)
        self.doing = doing
        self._entry = entry

    def blame(self, expected: str) -> None:
        """Mark the call's line of the transcript as the wrong one."""
        if self._entry is not None:
            self._entry.expected = expected

    def failure(self) -> Failure:
        """What to report where a correct system would not have raised."""
        self.blame("an answer")
        text = f"{self.type}: {self.message}" if self.message else self.type
        return Failure(
            kind="exception",
            message=f"{self.doing} raised {text}",
            got=text,
            places=self.places,
            advice=self._advice(),
        )

    def _advice(self) -> str:
        if "RecursionError" in self.types:
            return "It calls itself without end: what was to stop it?"
        if "NotImplementedError" in self.types and self.places:
            return "This is still to be written."
        if self.places:
            return f"Line {self.places[-1].line} of {self.places[-1].file} raised it."
        return "No line of yours raised it: compare the names and signatures with the stub's."


def places_of(error: Error) -> tuple[Place, ...]:
    """The student's own frames, innermost last."""
    return distinct(Place(file=f.file, line=f.line, function=f.function, source=f.source) for f in error.frames)


def distinct(places: Iterable[Place]) -> tuple[Place, ...]:
    """Each once, where it came last: a recursion is told by one round of it."""
    return tuple(reversed(dict.fromkeys(reversed(list(places)))))


def failed(
    kind: FailureKind,
    message: str,
    *,
    expected: str = "",
    got: str = "",
    advice: str = "",
    places: Sequence[Place] = (),
) -> CheckFailed:
    """A CheckFailed with that failure."""
    return CheckFailed(
        Failure(kind=kind, message=message, expected=expected, got=got, advice=advice, places=tuple(places))
    )
