"""The marks of a cohort, in the formats of those who keep them.

A cell that a spreadsheet would take for a formula is written with an apostrophe before it (OWASP, *CSV Injection*).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable

import msgspec

from kata.cohort.model import Cohort, ExerciseColumn, Mark, Person
from kata.cohort.roster import KEPT_COLUMNS

_ASSIGNMENT = re.compile(r"(?P<title>.*?)\s*\(\d+\)")


def canvas(cohort: Cohort) -> str:
    """A CSV that Canvas imports: the roster's people and columns, a column for each exercise, two decimals.

    An exercise takes the roster's own column of its name, `15-caching (4711)`, where it has one. Cells of what is not
    graded are empty, which leaves Canvas as it is.
    """
    kept = [column for column in KEPT_COLUMNS if column in cohort.roster_columns] or ["Student", "ID"]
    titles = [_canvas_title(exercise, cohort.roster_columns) for exercise in cohort.exercises]
    possible = ["    Points Possible", *[""] * (len(kept) - 1), *(f"{e.points:.2f}" for e in cohort.exercises)]
    rows: list[list[str]] = [[*kept, *titles], possible]
    listed = bool(cohort.roster_columns)
    for person, marks in _by_person(cohort):
        if listed and not person.roster:
            continue
        cells = person.roster or {"Student": person.name, "ID": person.id}
        scores = ["" if mark.score is None else f"{mark.score:.2f}" for mark in marks]
        rows.append([*(cells.get(column, "") for column in kept), *scores])
    return _csv(rows)


def _canvas_title(exercise: ExerciseColumn, columns: Iterable[str]) -> str:
    for column in columns:
        match = _ASSIGNMENT.fullmatch(column)
        if match and match["title"] in (exercise.id, exercise.title):
            return column
    return exercise.id


def table(cohort: Cohort) -> str:
    """A CSV with a row for each person and exercise."""
    rows = [["person", "name", "exercise", "state", "score", "points", "late", "note", "same_as"]]
    points = {exercise.id: str(exercise.points) for exercise in cohort.exercises}
    for person, marks in _by_person(cohort):
        for mark in marks:
            score = "" if mark.score is None else str(mark.score)
            late = "late" if mark.late else ""
            same = " ".join(mark.same_as)
            head = [person.id, person.name, mark.exercise, mark.state]
            rows.append([*head, score, points[mark.exercise], late, mark.note, same])
    return _csv(rows)


def lines(cohort: Cohort) -> str:
    """JSON lines: an object for each person and exercise, with the outcome of each requirement."""
    names = {person.id: person.name for person in cohort.people}
    objects = ({"name": names[mark.person], **msgspec.to_builtins(mark)} for mark in cohort.marks)
    return "".join(msgspec.json.encode(each).decode() + "\n" for each in objects)


FORMATS: dict[str, Callable[[Cohort], str]] = {"canvas": canvas, "csv": table, "jsonl": lines}
"""What `kata gradebook --format` may be."""


FORMULA_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With them a spreadsheet lets a formula begin; where one writes at full width, with those, too (OWASP)."""


def _by_person(cohort: Cohort) -> Iterable[tuple[Person, tuple[Mark, ...]]]:
    width = len(cohort.exercises)
    for place, person in enumerate(cohort.people):
        yield person, cohort.marks[place * width : (place + 1) * width]


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [cell if cell.isalnum() else _harmless(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def _harmless(cell: str) -> str:
    plain = cell if cell.isprintable() else "".join(c if c.isprintable() else " " for c in cell)
    return f"'{plain}" if plain.lstrip().startswith(FORMULA_SIGNS) else plain
