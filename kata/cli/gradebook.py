"""`kata gradebook`: the marks of a run."""

from __future__ import annotations

from pathlib import Path

import click

from kata.cli.console import echo, notice

FORMATS = ("canvas", "csv", "jsonl")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(FORMATS),
    default="csv",
    show_default=True,
    help="What Canvas imports, a row for each person and exercise, or that with each requirement as lines of JSON.",
)
@click.option("--to", "file", type=click.Path(path_type=Path), help="Write into this file rather than to stdout.")
def command(run: Path, name: str, file: Path | None) -> None:
    """Write the marks of a run.

    RUN is the folder that `kata grade` made. What was not graded, by whosever fault, has no mark: its cell stays empty.
    """
    from kata.cohort import gradebook, standings
    from kata.cohort.ledger import open_ledger
    from kata.workspace import write_atomically

    with open_ledger(run, new=False) as ledger:
        cohort = standings.cohort(ledger)
    text = gradebook.FORMATS[name](cohort)
    if name == "canvas" and cohort.roster_columns:
        strangers = [person.id for person in cohort.people if not person.roster]
        if strangers:
            notice(f"Not in the roster, and so left out: {', '.join(strangers)}.")
    if file is None:
        echo(text, newline=False)
    else:
        write_atomically(file, text.encode("utf-8"))
