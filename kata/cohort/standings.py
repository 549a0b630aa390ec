"""Where everybody stands, read from the ledger alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from kata.cohort.ledger import HandedRow, Ledger
from kata.cohort.model import Cause, Cohort, Mark, MarkState

_VARYING = re.compile(r"b?'[^']*'|b?\"[^\"]*\"|`[^`]*`|\d[\d.,_]*")
"""What differs between two messages that say the same: values and numbers."""
_SEVERAL = re.compile(r"#(, #)+")
_STATES: tuple[MarkState, ...] = ("missing", "unreadable", "waiting", "inconclusive", "graded")


def cohort(ledger: Ledger) -> Cohort:
    """Everybody's marks. Of what one person handed in the latest turn counts; of several of that turn the best."""
    found: defaultdict[tuple[str, str], list[HandedRow]] = defaultdict(list)
    sharing: defaultdict[str, list[HandedRow]] = defaultdict(list)
    for row in ledger.handed():
        counting = found[row.person, row.exercise]
        if not counting or counting[0].turn == row.turn:
            counting.append(row)
        if row.job:
            sharing[row.job].append(row)
    people, exercises = ledger.people(), ledger.exercises()
    marks = (
        _mark(person.id, exercise.id, found.get((person.id, exercise.id), ()), sharing)
        for person in people
        for exercise in exercises
    )
    return Cohort(
        exercises=exercises,
        people=people,
        marks=tuple(marks),
        roster_columns=ledger.roster_columns(),
        sandbox=ledger.setting("sandbox"),
        for_grades=bool(ledger.setting("for_grades")),
        seed=int(ledger.setting("seed")),
    )


def _mark(person: str, exercise: str, rows: Sequence[HandedRow], sharing: Mapping[str, Sequence[HandedRow]]) -> Mark:
    if not rows:
        return Mark(person=person, exercise=exercise, state="missing")
    best = rows[0]
    if len(rows) > 1:
        best = max(rows, key=lambda row: (_STATES.index(_state(row)), row.score or 0))
    state = _state(best)
    graded = state == "graded"
    alike = {other.person for other in sharing.get(best.job, ()) if other.found_at != best.found_at} - {person}
    return Mark(
        person=person,
        exercise=exercise,
        state=state,
        score=best.score if graded else None,
        outcomes=best.outcomes if graded else {},
        late=bool(best.late),
        note=best.problem or best.note,
        same_as=tuple(sorted(alike)),
        job=best.job,
    )


def _state(row: HandedRow) -> MarkState:
    if row.problem:
        return "unreadable"
    if row.outcome is None:
        return "waiting"
    return "inconclusive" if row.outcome == "inconclusive" else "graded"


def without_values(message: str) -> str:
    """The message without its numbers and values, and with lists of them of any length alike."""
    return _SEVERAL.sub("#", _VARYING.sub("#", message))


def causes(ledger: Ledger, cohort: Cohort) -> dict[tuple[str, str], list[Cause]]:
    """By exercise and requirement in which ways people lose it, the most frequent first.

    Two failures are alike when the same check failed and said the same, but for numbers and values.
    """
    people = Counter(mark.job for mark in cohort.marks if mark.state == "graded")
    exercises = {mark.job: mark.exercise for mark in cohort.marks if mark.job in people}
    alike: defaultdict[tuple[str, str], dict[tuple[str, str], Cause]] = defaultdict(dict)
    for job, requirement, check, message in ledger.losses():
        if job not in people:
            continue
        kinds = alike[exercises[job], requirement]
        kind = check, without_values(message)
        known = kinds.get(kind)
        kinds[kind] = Cause(
            check=check,
            message=known.message if known else message,
            people=people[job] + (known.people if known else 0),
        )
    return {key: sorted(kinds.values(), key=lambda cause: -cause.people) for key, kinds in alike.items()}
