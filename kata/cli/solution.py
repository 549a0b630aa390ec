"""`kata solution`: the reference, and its notes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kata.cli.console import dim, echo, rich_console, short
from kata.cli.options import exercise_argument, open_state
from kata.errors import UsageError

if TYPE_CHECKING:
    from kata.exercise import Exercise


@click.command()
@exercise_argument
@click.option("--yes", is_flag=True, help="Show it without asking, though the exercise isn't solved.")
def command(exercise: Exercise, yes: bool) -> None:
    """Show the reference solution and its notes.

    Asks first while the exercise isn't solved yet.
    """
    if not yes and open_state().record(exercise.id).standing != "solved" and not _is_wanted(exercise):
        echo(f"It stays closed. `kata hint {exercise.id}` gives less away.")
        return
    _show(exercise)


def _is_wanted(exercise: Exercise) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"{exercise.id} isn't solved yet, and there is nobody to ask.", "Add --yes to see its solution."
        )
    return click.confirm(f"You haven't solved {exercise.id} yet. Show its solution?", default=False)


def _show(exercise: Exercise) -> None:
    reference = exercise.solution_folder / exercise.file
    notes = exercise.solution_folder / "NOTES.md"
    source = reference.read_text(encoding="utf-8")
    if not sys.stdout.isatty():
        echo(source)
        echo(notes.read_text(encoding="utf-8"), newline=False)
        return
    from rich.markdown import Markdown
    from rich.syntax import Syntax

    console = rich_console()
    console.print(Syntax(source, "python", theme="ansi_dark", background_color="default", word_wrap=True))
    console.rule(style="dim")
    console.print(Markdown(notes.read_text(encoding="utf-8")))
    echo()
    echo(dim(f"{short(reference)}\n{short(notes)}"))
