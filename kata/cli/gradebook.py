"""`kata gradebook`: the marks of a run."""

from __future__ import annotations

from pathlib import Path

import click

from kata.cli.console import echo, notice, short
from kata.errors import UsageError

FORMATS = ("canvas", "csv", "gradescope", "jsonl")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(FORMATS),
    default="csv",
    show_default=True,
    help="What Canvas imports; a row for each person and exercise; a results.json for each, as Gradescope's autograder "
    "answers; or lines of JSON, with each requirement.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    help="Write into this file rather than to stdout; into this folder for gradescope.",
)
def command(run: Path, name: str, target: Path | None) -> None:
    """Write the marks of a run.

    RUN is the folder that `kata grade` made. What was not graded, by whosever fault, has no mark: its cell stays empty.
    """
    from kata.cohort import gradebook, standings
    from kata.cohort.ledger import open_ledger
    from kata.cohort.reports import write_results
    from kata.workspace import write_atomically

    if name == "gradescope" and target is None:
        raise UsageError("That format is a file for each submission.", "Name a folder for them with --to.")
    with open_ledger(run, new=False) as ledger:
        cohort = standings.cohort(ledger)
        if name == "gradescope" and target is not None:
            count = write_results(ledger, cohort, target)
            echo(f"{count} results.json were written below {short(target)}.")
            return
    text = gradebook.FORMATS[name](cohort)
    if name == "canvas" and cohort.roster_columns:
        strangers = [person.id for person in cohort.people if not person.roster]
        if strangers:
            notice(f"Not in the roster, and so left out: {', '.join(strangers)}.")
    if target is None:
        echo(text, newline=False)
        return
    try:
        write_atomically(target, text.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror}.", "Name another file with --to.") from error
