"""What differs between two runs: whose mark, by which requirement, from which grader."""

from __future__ import annotations

import msgspec

from kata.cohort.model import Cohort, ExerciseColumn, Mark, MarkState


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement that is judged otherwise, or is only in one of the two."""

    requirement: str
    points: int
    before: str
    """Its outcome; empty where it was not asked for."""
    after: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One person's mark in one exercise that differs."""

    person: str
    name: str
    exercise: str
    before: MarkState
    after: MarkState
    score_before: int | None
    score_after: int | None
    changes: tuple[Change, ...] = ()
    """Empty unless both are graded."""


class Regraded(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise of which the grader, the points or the statement differ; a digest is empty where it was not asked."""

    exercise: str
    before: str
    after: str
    """Digest of the grader."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two runs."""

    exercises: tuple[Regraded, ...]
    differences: tuple[Difference, ...]
    """By exercise, then in the order of the people of the first run."""
    compared: int
    """Marks that either run has, of what was handed in."""


def compare(before: Cohort, after: Cohort) -> Comparison:
    """What differs between two runs; somebody of whom only one of them knows has handed in nothing in the other."""
    old, new = _marks(before), _marks(after)
    columns = {e.id: e for e in before.exercises}, {e.id: e for e in after.exercises}
    names = {person.id: person.name for cohort in (after, before) for person in cohort.people}
    places = {person: place for place, person in enumerate(names)}
    keys = sorted(old.keys() | new.keys(), key=lambda key: (key[1], places[key[0]]))
    nothing = {key: Mark(person=key[0], exercise=key[1], state="missing") for key in keys}
    differences = []
    for key in keys:
        one, other = old.get(key, nothing[key]), new.get(key, nothing[key])
        changes = _changes(one, other, *(each.get(key[1]) for each in columns))
        if (one.state, one.score) != (other.state, other.score) or changes:
            differences.append(
                Difference(
                    person=key[0],
                    name=names[key[0]],
                    exercise=key[1],
                    before=one.state,
                    after=other.state,
                    score_before=one.score,
                    score_after=other.score,
                    changes=changes,
                )
            )
    return Comparison(exercises=_regraded(*columns), differences=tuple(differences), compared=len(keys))


def _marks(cohort: Cohort) -> dict[tuple[str, str], Mark]:
    return {(mark.person, mark.exercise): mark for mark in cohort.marks if mark.state != "missing"}


def _changes(before: Mark, after: Mark, old: ExerciseColumn | None, new: ExerciseColumn | None) -> tuple[Change, ...]:
    if old is None or new is None or (before.state, after.state) != ("graded", "graded"):
        return ()
    points = {each.id: each.points for column in (new, old) for each in column.requirements}
    rows = ((each, before.outcomes.get(each, ""), after.outcomes.get(each, "")) for each in points)
    return tuple(
        Change(requirement=each, points=points[each], before=one, after=other)
        for each, one, other in rows
        if one != other
    )


def _regraded(old: dict[str, ExerciseColumn], new: dict[str, ExerciseColumn]) -> tuple[Regraded, ...]:
    found = []
    for exercise in sorted(old.keys() | new.keys()):
        one, other = old.get(exercise), new.get(exercise)
        if one and other and (one.digest, one.grader_digest) == (other.digest, other.grader_digest):
            continue
        before, after = (each.grader_digest if each else "" for each in (one, other))
        found.append(Regraded(exercise=exercise, before=before, after=after))
    return tuple(found)
