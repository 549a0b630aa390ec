"""`kata report`: the last report of an exercise, once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kata.cli.console import echo, notice, rich_console
from kata.cli.options import exercise_argument, open_state
from kata.cli.outputs import OUTPUT_HELP, complete_output, parse_outputs, write_outputs
from kata.errors import UsageError

if TYPE_CHECKING:
    from kata.exercise import Exercise
    from kata.report.model import Report
    from kata.workspace import State


@click.command()
@exercise_argument
@click.option("--open", "in_browser", is_flag=True, help="Show the HTML page in a browser instead.")
@click.option(
    "--report",
    "outputs",
    metavar="FORMAT=FILE",
    multiple=True,
    shell_complete=complete_output,
    help=OUTPUT_HELP,
)
def command(exercise: Exercise, in_browser: bool, outputs: tuple[str, ...]) -> None:
    """Show the last report again."""
    targets = parse_outputs(outputs)
    state = open_state()
    report = state.last_report(exercise.id)
    if report is None:
        raise UsageError(f"{exercise.id} has no report yet.", f"`kata check {exercise.id}` grades it and makes one.")
    if targets:
        write_outputs(report, targets)
    elif in_browser:
        _open(report, state)
    else:
        from kata.report.terminal import render

        render(report, rich_console())


def _open(report: Report, state: State) -> None:
    from kata.report.faces import FACES

    page = state.keep(f"reports/{report.exercise.id}.html", FACES["html"](report))
    echo(f"{page}")
    if click.launch(page.as_uri()) != 0:
        notice("No browser could be opened here. Open that file in one.")
