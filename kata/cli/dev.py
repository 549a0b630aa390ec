"""`kata dev`: for the authors of exercises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import Ticker, dim, echo, printable, short, style
from kata.cli.options import exercises_argument, sandbox_option
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_UNMET, UsageError

if TYPE_CHECKING:
    from kata.authoring.findings import ExerciseReport, Finding, Row
    from kata.exercise import Exercise
    from kata.protocol import SandboxName

LOG_EVERY_SECONDS = 10.0
"""How often a log that isn't a terminal gets a line of progress."""
COLOURS = {"error": "red", "warning": "yellow", "inconclusive": "yellow"}
MARKS = {"lost": "✗", "sometimes": "~", "kept": "·", "skipped": "–", "unasked": " ", "unknown": "?"}


@click.group()
def command() -> None:
    """Write and prove exercises."""


@command.command()
@click.argument("name", metavar="NN-TOPIC")
def new(name: str) -> None:
    """Begin an exercise: its files, with blanks to fill in.

    Run it in a checkout. NN-TOPIC is two digits and a topic, like 28-leases.
    """
    from kata.authoring.new import new_exercise

    for path in new_exercise(Path.cwd(), name):
        echo(f"  {style('new', 'green')}  {short(path)}")
    echo(f"\nFill in the blanks; `kata dev check {name}` lists those that are left.")


@command.command()
@exercises_argument
@click.option("--all", "all_of_them", is_flag=True, help="Prove every exercise.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="On how many seeds the reference and every right submission must earn everything.",
)
@click.option(
    "--first-seed",
    type=click.IntRange(0, 2**32 - 10_001),
    default=1,
    show_default=True,
    help="The first of them.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="How many sandboxes run at a time.  [default: one a CPU]")
@click.option(
    "--full",
    is_flag=True,
    help="Also see what else wrong submissions lose than what they name, and which checks catch nothing.",
)
@sandbox_option
def check(
    exercises: tuple[Exercise, ...],
    all_of_them: bool,
    seeds: int,
    first_seed: int,
    jobs: int | None,
    full: bool,
    sandbox: SandboxName,
) -> int:
    """Prove exercises: that each is in its best form.

    The stub must lose almost everything, the reference and every right submission earn everything, and every
    wrong one lose what it names. Before an exercise ships, prove it in full, and on many seeds.

    \b
    Exit status:  0 proved, 1 something is to be mended, 2 wrong usage,
                  3 inconclusive
    """
    from kata.authoring.check import check_exercises
    from kata.catalog import Catalog
    from kata.cli.check import choose_launcher

    if bool(exercises) == all_of_them:
        raise UsageError("It isn't clear what to prove.", "Name exercises, or give --all, and not both.")
    chosen = list(exercises) or Catalog().all()
    launcher = choose_launcher(sandbox, quiet=False)
    ticker = Ticker(pause_seconds=LOG_EVERY_SECONDS)
    try:
        reports = check_exercises(
            chosen,
            launcher,
            seeds=seeds,
            first_seed=first_seed,
            jobs=jobs,
            full=full,
            progress=lambda done, total, label: ticker(f"{done}/{total}  {label}"),
        )
    finally:
        ticker.clear()
    for report in reports:
        _show(report)
    if not full:
        echo(dim("With --full it also sees what else wrong submissions lose, and which checks catch nothing."))
    return _status(reports)


def _show(report: ExerciseReport) -> None:
    summary = report.summary
    verdict = style("proved", "green") if report.proved else style("not proved", "red")
    echo(f"{style(report.exercise, bold=True)}  {verdict}")
    stub = "not run" if summary.stub_score is None else f"earns {summary.stub_score}"
    echo(
        f"  {len(summary.requirements)} requirements, {summary.checks} checks, {summary.wrong} wrong, "
        f"{summary.right} right; stub {stub}; {summary.runs} runs"
    )
    if summary.rows:
        _show_matrix(summary.requirements, summary.rows)
    for finding in report.findings:
        _show_finding(finding)
    echo()


def _show_matrix(requirements: tuple[str, ...], rows: tuple[Row, ...]) -> None:
    """What each wrong submission lost: a column a requirement, what the submission names in bold."""
    width = max(len(row.submission) for row in rows)
    echo()
    for row in rows:
        marks = "".join(_mark(row, requirement) for requirement in requirements)
        lost = [requirement for requirement in requirements if row.marks.get(requirement) == "lost"]
        echo(f"  {printable(row.submission):<{width}}  {marks}  {', '.join(lost)}")
    echo()


def _mark(row: Row, requirement: str) -> str:
    mark = row.marks.get(requirement, "unknown")
    harmless = mark in ("kept", "skipped", "unasked") or requirement in row.allowed
    expected = mark == "lost" if requirement in row.named else harmless
    return style(MARKS[mark], "green" if expected else "red", bold=requirement in row.named)


def _show_finding(finding: Finding) -> None:
    echo(f"  {style(finding.severity, COLOURS[finding.severity])}  {printable(finding.place)}")
    echo(f"    {printable(finding.message)}")
    echo(f"    {style('→', 'cyan')} {printable(finding.remedy)}")
    for line in finding.detail.splitlines():
        echo(f"      {dim(printable(line))}")


def _status(reports: list[ExerciseReport]) -> int:
    severities = {finding.severity for report in reports for finding in report.findings}
    if "error" in severities:
        return EXIT_UNMET
    return EXIT_INCONCLUSIVE if "inconclusive" in severities else EXIT_MET
