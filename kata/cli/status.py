"""`kata status`: progress over all exercises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kata.cli.console import PRACTICE, dim, echo, style
from kata.cli.options import open_state
from kata.workspace import Record

if TYPE_CHECKING:
    from kata.exercise import Exercise

BAR_CHARS = 30


@click.command()
def command() -> None:
    """Show your progress over all exercises.

    For each exercise the score of the last run, the best one, how many different submissions were judged, and
    how many hints are open; then how much of each category you earned over all of them. A score with a * was
    made where nothing is isolated.
    """
    from kata.catalog import Catalog

    exercises = Catalog().all()
    records = open_state().records()
    begun = [exercise for exercise in exercises if exercise.id in records]
    if not begun:
        echo("Nothing is begun yet. `kata list` shows the exercises.")
        return
    _show_exercises(begun, records)
    echo()
    _show_categories(exercises, records)
    echo()
    _show_sum(exercises, records)


def _show_exercises(begun: list[Exercise], records: dict[str, Record]) -> None:
    width = max(len(exercise.id) for exercise in begun)
    echo(dim(f"  {'':<{width}}   last   best  attempts  hints  sandbox"))
    for exercise in begun:
        record = records[exercise.id]
        colour = {"solved": "green", "scored": "yellow"}.get(record.standing)
        best = f"{record.best.score}{'*' if record.is_practice else ''}" if record.best else "–"
        where = record.best.sandbox if record.best else ""
        scores = f"{_last(record):>5}  {style(f'{best:>5}', colour)}"
        hints = sum(record.hints.values())
        echo(f"  {exercise.id:<{width}}  {scores}  {record.attempts:>8}  {hints:>5}  {where}".rstrip())


def _last(record: Record) -> str:
    """The score of the last run; none of one that was inconclusive or checked a part only."""
    last = record.last
    if last is None or last.only:
        return "–"
    return "?" if last.outcome == "inconclusive" else str(last.score)


def _show_categories(exercises: list[Exercise], records: dict[str, Record]) -> None:
    """Bars of what the best runs earned, out of all that the exercises have."""
    from kata.exercise import CATEGORIES

    for category in CATEGORIES:
        points = sum(r.points for e in exercises for r in e.requirements if r.category == category)
        bests = [record.best for e in exercises if (record := records.get(e.id)) and record.best]
        earned = sum(best.categories.get(category, (0, 0))[0] for best in bests)
        if points:
            echo(f"  {category:<11}  {_bar(earned, points)}  {earned:>4} of {points}")


def _bar(earned: int, points: int) -> str:
    """Full only when everything is earned, and empty only when nothing is."""
    full = min(BAR_CHARS, max(BAR_CHARS * earned // points, 1 if earned else 0))
    colour = "green" if earned >= points else "yellow"
    return style("━" * full, colour) + dim("╌" * (BAR_CHARS - full))


def _show_sum(exercises: list[Exercise], records: dict[str, Record]) -> None:
    standings = [records[exercise.id].standing for exercise in exercises if exercise.id in records]
    solved = standings.count("solved")
    begun = len(standings) - solved
    echo(
        f"  {style(f'{solved} solved', 'green')}, {begun} begun, {len(exercises) - solved - begun} to go, "
        f"of {len(exercises)}."
    )
    if any(exercise.id in records and records[exercise.id].is_practice for exercise in exercises):
        echo(dim(f"  {PRACTICE}"))
