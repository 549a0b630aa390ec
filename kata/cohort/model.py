"""What a cohort is made of, as plain data.

Names, ids, places and messages come from students and from their files: hostile text, that each face escapes for
where it is shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from kata.exercise import Requirement


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who handed something in, or of whom the roster knows."""

    id: str
    """What tells them from the others in this run: the roster's id, else what their folder or file names them by."""
    name: str
    roster: dict[str, str] = {}
    """The cells of their row in the roster by column; empty for somebody whom no roster knows."""


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What one person handed in for one exercise, once."""

    person: str
    exercise: str
    where: str
    """The place that it was found in, below the folder that was given: `ada/15-caching`, `ada.zip`."""
    files: dict[str, bytes] = {}
    """By relative name, as in `kata.submission.Submission`; the exercise's own file is among them."""
    late: bool = False
    turn: int = 0
    """Of several that one person handed in for one exercise the highest counts; those that tie are all graded, and
    the best counts."""
    problem: str = ""
    """Why it can't be graded, in a sentence; then `files` is empty."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What the instructor should look at: something that was not recognised, or not unambiguous."""

    where: str
    problem: str
    """A sentence: what is wrong with it."""
    remedy: str
    """A sentence: what to do about it."""


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found in a folder of submissions."""

    people: tuple[Person, ...]
    """Those of the roster in its order, then the others by name."""
    handed: tuple[Handed, ...]
    unmatched: tuple[str, ...] = ()
    """Ids of people who handed something in and whom the roster doesn't know; empty without a roster."""
    troubles: tuple[Trouble, ...] = ()


MarkState = Literal[
    "graded",
    "inconclusive",  # every attempt was: our fault, and no mark
    "waiting",  # not graded as yet
    "missing",  # nothing was handed in
    "unreadable",  # what was handed in can't be graded
]


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # there are many, and cycles they can't form
    """How one person stands in one exercise."""

    person: str
    exercise: str
    state: MarkState
    score: int | None = None
    """Only of what is graded."""
    outcomes: dict[str, str] = {}
    """Of what is graded: the outcome of each requirement."""
    late: bool = False
    note: str = ""
    """Why it is unreadable or inconclusive."""
    same_as: tuple[str, ...] = ()
    """Ids of other people who handed in exactly the same files, not as a group of which they are one."""
    job: str = ""
    """The ledger's job that it comes from: who shares it was graded once, with them."""


class ExerciseColumn(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise as it was when the run began."""

    id: str
    title: str
    digest: str
    grader_digest: str
    requirements: tuple[Requirement, ...]

    @property
    def points(self) -> int:
        return sum(requirement.points for requirement in self.requirements)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A way in which several people lose one requirement."""

    check: str
    """The sentence of the check that failed; empty when the run as a whole could not be graded."""
    message: str
    """What it said of one of them. Of the others it said the same, but for numbers and values."""
    people: int


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """Where everybody stands: what a gradebook is written from."""

    exercises: tuple[ExerciseColumn, ...]
    people: tuple[Person, ...]
    marks: tuple[Mark, ...]
    """One for each person and exercise: by person, then by exercise, in the orders above."""
    roster_columns: tuple[str, ...] = ()
    """The columns of the roster, in its order; empty without one."""
    sandbox: str
    for_grades: bool
    seed: int
