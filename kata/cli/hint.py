"""`kata hint`: the next rung of a requirement's ladder of hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kata.cli.console import dim, echo, show_markdown, style
from kata.cli.options import complete_requirement, exercise_argument, known_requirement, open_state
from kata.errors import UsageError
from kata.workspace import Record

if TYPE_CHECKING:
    from kata.exercise import Exercise


@click.command()
@exercise_argument
@click.argument("requirement", metavar="[REQ]", required=False, shell_complete=complete_requirement)
def command(exercise: Exercise, requirement: str | None) -> None:
    """Open the next hint.

    It is for the first requirement that the last check found unmet, or for the REQuirement that you name.
    Hints that are open already are shown above it.
    """
    state = open_state()
    name = known_requirement(exercise, requirement) if requirement else first_unmet(exercise, state.record(exercise.id))
    if name is None:
        echo(f"Nothing is unmet in {exercise.id}. Name a requirement to read its hints:")
        echo("  " + ", ".join(r.id for r in exercise.requirements))
        return
    rungs = exercise.hints.get(name, ())
    if not rungs:
        raise UsageError(f"{exercise.id} has no hints for {name}.", "Its README is all the help there is.")
    change = state.open_rung(exercise.id, name, len(rungs))
    _show(exercise, name, used=change.before.hints.get(name, 0), opened=change.after.hints[name])


def first_unmet(exercise: Exercise, record: Record) -> str | None:
    """The first requirement that isn't known to be met; before any check, the first of all."""
    return next((r.id for r in exercise.requirements if record.outcomes.get(r.id) != "met"), None)


def _show(exercise: Exercise, name: str, used: int, opened: int) -> None:
    requirement = exercise.requirement(name)
    rungs = exercise.hints[name]
    echo(f"{style(name, bold=True)} {dim(f'{requirement.points} points, {requirement.category}')}")
    show_markdown(requirement.text)
    for number, rung in enumerate(rungs[:opened], 1):
        mark = style("new", "green") if number > used else dim("used before")
        echo(f"\nHint {number} of {len(rungs)}  {mark}")
        show_markdown(rung)
    echo()
    echo(dim(_what_next(exercise, name, opened)))


def _what_next(exercise: Exercise, name: str, opened: int) -> str:
    left = len(exercise.hints[name]) - opened
    if not left:
        return f"All hints for {name} are open. Try it alone:\n  kata check {exercise.id} --only {name}"
    more = "One more is" if left == 1 else f"{left} more are"
    return f"{more} locked: `kata hint {exercise.id} {name}`."
