"""`kata list`: the exercises, by topic, with how far the student is."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from kata.cli.console import PRACTICE, dim, echo, style
from kata.cli.options import open_state
from kata.workspace import Record

if TYPE_CHECKING:
    from kata.exercise import Exercise


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, for programs.")
def command(as_json: bool) -> None:
    """Show the exercises by topic, with your best scores.

    An exercise is "started" once it has a workspace or a run, and "solved" once a run earned all its points.
    A score with a * was made where nothing is isolated: it is for practice.
    """
    from kata.catalog import Catalog

    exercises = Catalog().all()
    records = open_state().records()
    if as_json:
        import json

        rows = [_row(exercise, records.get(exercise.id, Record())) for exercise in exercises]
        echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not exercises:
        echo("There are no exercises yet. `kata dev new` begins one.")
        return
    _show(exercises, records)


def _row(exercise: Exercise, record: Record) -> dict[str, object]:
    best = record.best
    return {
        "id": exercise.id,
        "title": exercise.title,
        "topic": exercise.topic,
        "state": record.standing,
        "score": best.score if best else None,
        "max_score": best.max_score if best else exercise.max_score,
        "sandbox": best.sandbox if best else None,
        "attempts": record.attempts,
    }


def _show(exercises: list[Exercise], records: dict[str, Record]) -> None:
    name_width = max(len(exercise.id) for exercise in exercises)
    title_width = max(len(exercise.title) for exercise in exercises)
    topics = list(dict.fromkeys(exercise.topic for exercise in exercises))
    by_topic = sorted(exercises, key=lambda exercise: topics.index(exercise.topic))
    for topic, group in groupby(by_topic, key=lambda exercise: exercise.topic):
        echo(style(topic, bold=True))
        for exercise in group:
            standing = _standing(records.get(exercise.id, Record()))
            echo(f"  {exercise.id:<{name_width}}  {exercise.title:<{title_width}}  {standing}")
        echo()
    if any(exercise.id in records and records[exercise.id].is_practice for exercise in exercises):
        echo(dim(PRACTICE))
    echo(dim(_next(exercises, records)))


def _standing(record: Record) -> str:
    if record.best is None:
        return dim("not started") if record.standing == "not started" else "started"
    score = f"{record.best.score}{'*' if record.is_practice else ''}"
    return style(f"solved {score}", "green") if record.standing == "solved" else style(score, "yellow")


def _next(exercises: list[Exercise], records: dict[str, Record]) -> str:
    """What to do next: go on with what was begun, else begin the first that wasn't."""
    standings = {exercise.id: records.get(exercise.id, Record()).standing for exercise in exercises}
    for name, standing in standings.items():
        if standing in ("started", "scored"):
            return f"Go on with `kata check {name}`."
    for name, standing in standings.items():
        if standing == "not started":
            return f"Begin with `kata start {name}`."
    return "All of them are solved. `kata status` shows the whole."
