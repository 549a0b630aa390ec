"""`kata export`: what course platforms take, written to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import Ticker, dim, echo, short, style
from kata.cli.options import Command, exercises_argument
from kata.errors import UsageError

if TYPE_CHECKING:
    from kata.exercise import Exercise


@click.group()
def command() -> None:
    """Make an autograder or a workflow for a course platform."""


def _to_option(words: str) -> Callable[[Command], Command]:
    """`--to`, a folder; `words` are its help."""
    return click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), default=".", help=words)


@command.command()
@exercises_argument
@_to_option("Write the archives into this folder rather than here.")
def gradescope(exercises: tuple[Exercise, ...], folder: Path) -> None:
    """Make an autograder for Gradescope: EXERCISE-gradescope.zip, one for each.

    It holds kata, the exercise with its grader, and all packages; what grades there needs no network. Getting the
    packages needs pip and its index.
    """
    from kata.export.gradescope import autograder, wheels
    from kata.workspace import write_atomically

    _refuse_none(exercises)
    ticker = Ticker()
    try:
        packages = wheels(ticker)
    finally:
        ticker.clear()
    for exercise in exercises:
        path = folder / f"{exercise.id}-gradescope.zip"
        data = autograder(exercise, packages)
        write_atomically(path, data)
        echo(f"{style('written', 'green')}  {short(path)}  {dim(f'{len(data) / 1e6:.1f} MB')}")


@command.command()
@exercises_argument
@_to_option("The repository's folder, if it isn't here.")
def github(exercises: tuple[Exercise, ...], folder: Path) -> None:
    """Make a workflow for GitHub Actions: .github/workflows/kata.yml, in a repository.

    It grades each EXERCISE on every push, in the folder of its name, as `kata start` makes it.
    """
    from kata.export.github import PATH, workflow
    from kata.workspace import write_atomically

    _refuse_none(exercises)
    write_atomically(folder / PATH, workflow(exercises))
    echo(f"{style('written', 'green')}  {short(folder / PATH)}")


def _refuse_none(exercises: tuple[Exercise, ...]) -> None:
    if not exercises:
        raise UsageError("No exercise was named.", "`kata list` shows all of them; name one or more.")
