"""`kata start`: a workspace for an exercise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import complain, dim, echo, short, style
from kata.cli.options import exercise_argument, open_state
from kata.errors import KataError
from kata.workspace import make_workspace

if TYPE_CHECKING:
    from kata.exercise import Exercise


@click.command()
@exercise_argument
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def command(exercise: Exercise, directory: Path | None) -> None:
    """Make a workspace for an exercise.

    The workspace is a folder with the README, the stub to fill in, and a page on how to open hints: DIR, or a
    folder of the exercise's name here. Files that exist are left as they are.
    """
    folder = (directory or Path(exercise.id)).absolute()
    made = make_workspace(exercise, folder)
    _remember(exercise, folder)

    echo(f"{style(exercise.id, bold=True)} {exercise.title}")
    for name in made.written:
        echo(f"  {style('new', 'green')}   {short(folder / name)}")
    for name in made.kept:
        echo(f"  {dim('kept')}  {short(folder / name)}  {dim('exists, was left as it is')}")
    echo()
    echo(f"Read {short(folder / 'README.md')}, fill in {short(folder / exercise.file)}, then:")
    echo(f"  kata check {exercise.id} --watch")


def _remember(exercise: Exercise, folder: Path) -> None:
    try:
        open_state().started(exercise.id, folder)
    except KataError as error:
        complain(error.message, error.remedy)
