"""`kata diff`: what differs between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import dim, echo, style
from kata.errors import EXIT_MET, EXIT_UNMET

if TYPE_CHECKING:
    from kata.cohort.diff import Change, Difference, Regraded

RUN = click.Path(path_type=Path)


@click.command()
@click.argument("before", metavar="RUN", type=RUN)
@click.argument("after", metavar="RUN2", type=RUN)
@click.option(
    "--format",
    "name",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="For people, or all of it for a program.",
)
def command(before: Path, after: Path, name: str) -> int:
    """Say whose marks differ between two runs, and why.

    It names the requirements that are judged otherwise, with their points, and the graders of both runs.
    `kata grade --regrade RUN --out RUN2` makes RUN2 from what RUN has, with the grader as it is now.

    \b
    Exit status:  0 no mark differs, 1 some do, 2 wrong usage
    """
    import msgspec

    from kata.cohort import standings
    from kata.cohort.diff import compare
    from kata.cohort.ledger import open_ledger

    cohorts = []
    for run in (before, after):
        with open_ledger(run, new=False) as ledger:
            cohorts.append(standings.cohort(ledger))
    comparison = compare(*cohorts)
    if name == "json":
        echo(msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode())
        return EXIT_UNMET if comparison.differences else EXIT_MET
    regraded = {each.exercise: each for each in comparison.exercises}
    for exercise in sorted({*regraded, *(each.exercise for each in comparison.differences)}):
        differing = [each for each in comparison.differences if each.exercise == exercise]
        echo(style(exercise, bold=True) + dim(f"  {_grader(regraded.get(exercise))}"))
        for each in differing:
            echo(f"  {_words(each)}")
    echo(style(f"{len(comparison.differences)} of {comparison.compared} marks differ.", bold=True))
    return EXIT_UNMET if comparison.differences else EXIT_MET


def _grader(regraded: Regraded | None) -> str:
    """By which digest each of the two graded, as a report has it."""
    if regraded is None:
        return "the same grader"
    if not regraded.before or not regraded.after:
        return "only in the second run" if regraded.after else "only in the first run"
    if regraded.before == regraded.after:
        return "the same grader, another statement"
    return f"grader {regraded.before[:12]} before, {regraded.after[:12]} after"


def _words(difference: Difference) -> str:
    """`ada (King, Ada)  60 → 100: single-flight unmet → met (8)`."""
    from kata.report.text import line

    who = difference.person if difference.name == difference.person else f"{difference.person} ({difference.name})"
    before, after = (
        state if score is None else str(score)
        for state, score in (
            (difference.before, difference.score_before),
            (difference.after, difference.score_after),
        )
    )
    changes = ", ".join(map(_change, difference.changes))
    return f"{line(who)}  {before} → {after}{': ' if changes else ''}{changes}"


def _change(change: Change) -> str:
    return f"{change.requirement} {change.before or 'not asked'} → {change.after or 'not asked'} ({change.points})"
