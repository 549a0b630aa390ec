"""The cohort's page: one self-contained `index.html` that says who stands where, and what people lose most.

Its table is drawn by a script of ours from the data that the page carries, only the rows that can be seen. Its
Content-Security-Policy allows that one script and that one style sheet, by their hashes, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

import msgspec
from markupsafe import Markup

from kata.cohort.ledger import Ledger
from kata.cohort.model import Cause, Cohort, ExerciseColumn, Mark, MarkState, Trouble
from kata.cohort.reports import FOLDER, file_name
from kata.cohort.standings import causes as causes_in
from kata.errors import KataError
from kata.exercise import Requirement
from kata.report.html import TEMPLATES, environment, source_hash
from kata.report.text import line
from kata.workspace import write_atomically

FILE = "index.html"
BINS = 10
"""Of a distribution: each a tenth of the points, the last with those who have all of them."""
MOST_LOST = 15
CAUSES_SHOWN = 3
LISTED_MAX = 200
_LETTERS = {"met": "m", "unmet": "u", "skipped": "s", "inconclusive": "i"}


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """How one exercise came out among those whose submission is graded."""

    exercise: ExerciseColumn
    states: Mapping[MarkState, int]
    late: int
    all_met: int
    mean: float | None
    median: float | None
    bins: tuple[int, ...]
    """How many have so many tenths of the points."""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement that people lose."""

    exercise: str
    requirement: Requirement
    people: int
    of: int
    causes: tuple[Cause, ...]
    """The most frequent ones."""


def page(cohort: Cohort, causes: Mapping[tuple[str, str], Sequence[Cause]], troubles: Sequence[Trouble]) -> bytes:
    """The page as UTF-8. Links lead to the reports in the folder beside it."""
    style, script = _assets()
    distributions = [_distribution(exercise, marks) for exercise, marks in _by_exercise(cohort)]
    return (
        environment()
        .get_template("cohort.html.j2")
        .render(
            cohort=cohort,
            sheet=Markup(style),  # noqa: S704 (our own file; quoted, it would be another style sheet)
            script=Markup(script),  # noqa: S704 (likewise)
            style_source=source_hash(style),
            script_source=source_hash(script),
            data=Markup(_embedded(_data(cohort))),  # noqa: S704 (JSON without a character that HTML knows)
            distributions=distributions,
            states=sum((Counter(each.states) for each in distributions), Counter()),
            late=sum(each.late for each in distributions),
            lost=_most_lost(cohort, causes),
            lists=_lists(cohort, troubles),
            listed_max=LISTED_MAX,
        )
        .encode()
    )


def write_page(ledger: Ledger, cohort: Cohort) -> Path:
    """Write the page of a run into its folder; where it is. Raises KataError when it can't be written."""
    file = ledger.folder / FILE
    try:
        write_atomically(file, page(cohort, causes_in(ledger, cohort), ledger.troubles()))
    except OSError as error:
        raise KataError(
            f"{file} can't be written: {error.strerror}.",
            f"All marks are kept; make room, and go on with `kata grade --resume {ledger.folder}`.",
        ) from error
    return file


@cache
def _assets() -> tuple[str, str]:
    style, own, script = ((TEMPLATES / name).read_text("utf-8") for name in ("report.css", "cohort.css", "cohort.js"))
    return style + own, script


def _by_exercise(cohort: Cohort) -> Iterable[tuple[ExerciseColumn, Sequence[Mark]]]:
    width = len(cohort.exercises)
    return ((exercise, cohort.marks[place::width]) for place, exercise in enumerate(cohort.exercises))


def _distribution(exercise: ExerciseColumn, marks: Sequence[Mark]) -> Distribution:
    scores = [mark.score for mark in marks if mark.score is not None]
    points = exercise.points  # a sum
    bins = Counter(min(BINS * score // points, BINS - 1) for score in scores)
    return Distribution(
        exercise=exercise,
        states=Counter(mark.state for mark in marks),
        late=sum(mark.late for mark in marks),
        all_met=scores.count(points),
        mean=fmean(scores) if scores else None,
        median=median(scores) if scores else None,
        bins=tuple(bins[each] for each in range(BINS)),
    )


def _most_lost(cohort: Cohort, causes: Mapping[tuple[str, str], Sequence[Cause]]) -> list[Lost]:
    """By the share of those who are graded."""
    found = []
    for exercise, marks in _by_exercise(cohort):
        graded = [mark.outcomes for mark in marks if mark.state == "graded"]
        for requirement in exercise.requirements:
            people = [outcomes.get(requirement.id) for outcomes in graded].count("unmet")
            if people:
                found.append(
                    Lost(
                        exercise=exercise.id,
                        requirement=requirement,
                        people=people,
                        of=len(graded),
                        causes=tuple(causes.get((exercise.id, requirement.id), ())[:CAUSES_SHOWN]),
                    )
                )
    return sorted(found, key=lambda lost: (-lost.people / lost.of, lost.exercise, lost.requirement.id))[:MOST_LOST]


def _lists(cohort: Cohort, troubles: Sequence[Trouble]) -> list[tuple[str, list[str]]]:
    """What an instructor should look at: a title, and a line for each."""
    names = {person.id: person.name for person in cohort.people}

    def who(mark: Mark) -> str:
        return f"{mark.exercise}: {_called(mark.person, names[mark.person])}"

    groups = {frozenset((mark.person, *mark.same_as)): mark.exercise for mark in cohort.marks if mark.same_as}
    alike = [
        f"{exercise}: {', '.join(_called(each, names[each]) for each in sorted(group))}"
        for group, exercise in groups.items()
    ]
    return [
        ("Inconclusive: our fault or the machine's, and no mark", [
            f"{who(mark)}. {mark.note}" for mark in cohort.marks if mark.state == "inconclusive"
        ]),
        ("Could not be read", [f"{who(mark)}. {mark.note}" for mark in cohort.marks if mark.state == "unreadable"]),
        ("Not graded yet", [who(mark) for mark in cohort.marks if mark.state == "waiting"]),
        ("Exactly the same files", alike),
        ("Late", [who(mark) for mark in cohort.marks if mark.late]),
        ("Handed in nothing", [who(mark) for mark in cohort.marks if mark.state == "missing"]),
        ("Not recognised, or not unambiguous", [f"{each.where}: {each.problem}" for each in troubles]),
    ]  # fmt: skip


def _called(person: str, name: str) -> str:
    return person if person == name else f"{name} ({person})"


def _data(cohort: Cohort) -> dict[str, Any]:
    """What the table is drawn from: by exercise, for each person in turn, so that little is said twice."""
    return {
        "folder": FOLDER,
        "people": [[line(each.id), line(each.name), file_name(each.id)] for each in cohort.people],
        "exercises": [
            {
                "id": exercise.id,
                "title": line(exercise.title),
                "points": exercise.points,
                "requirements": [[each.id, line(each.text), each.points] for each in exercise.requirements],
                "states": "".join(mark.state[0] for mark in marks),
                "scores": [mark.score for mark in marks],
                "late": "".join("1" if mark.late else "0" for mark in marks),
                "outcomes": [_letters(exercise, mark) for mark in marks],
                "notes": {place: line(mark.note) for place, mark in enumerate(marks) if mark.note},
                "same": {place: [*map(line, mark.same_as)] for place, mark in enumerate(marks) if mark.same_as},
            }
            for exercise, marks in _by_exercise(cohort)
        ],
    }  # fmt: skip


def _letters(exercise: ExerciseColumn, mark: Mark) -> str:
    if not mark.outcomes:
        return ""
    outcomes = mark.outcomes
    return "".join([_LETTERS.get(outcomes.get(each.id, ""), " ") for each in exercise.requirements])


def _embedded(data: object) -> str:
    """JSON in which nothing could end the element that holds it."""
    text = msgspec.json.encode(data).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
