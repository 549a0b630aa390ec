"""`kata check`: grade a submission. The main road is `_check_once`; `--watch` goes on in `watch.py`."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata.cli.console import Ticker, complain, dim, echo, notice, rich_console, short
from kata.cli.options import (
    complete_requirement,
    exercise_argument,
    known_requirement,
    open_state,
    sandbox_option,
)
from kata.cli.outputs import OUTPUT_HELP, Output, complete_output, parse_outputs, write_outputs
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_UNMET, KataError, UsageError

if TYPE_CHECKING:
    from kata.exercise import Exercise
    from kata.protocol import SandboxName
    from kata.report.model import Report
    from kata.sandbox import Connection, Launcher
    from kata.workspace import Change

SEED_MAX = 2**32 - 1
DRAWN_SEED_MAX = 999_999  # short enough to be typed again


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asked for."""

    exercise: Exercise
    path: Path
    only: tuple[str, ...]
    seed: int | None
    """None draws one for each run."""
    outputs: list[Output]
    quiet: bool


@click.command()
@exercise_argument
@click.argument("path", metavar="[PATH]", required=False, type=click.Path(path_type=Path))
@sandbox_option
@click.option(
    "--only",
    metavar="REQ",
    multiple=True,
    shell_complete=complete_requirement,
    help="Check this requirement, and those it needs. May be given several times; changes no score.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    help="Replay the run with this seed, exactly. Drawn and shown when it isn't given.",
)
@click.option(
    "--report",
    "outputs",
    metavar="FORMAT=FILE",
    multiple=True,
    shell_complete=complete_output,
    help=OUTPUT_HELP,
)
@click.option("--watch", is_flag=True, help="Check again whenever the submission is saved, until Ctrl-C.")
@click.option("--quiet", "-q", is_flag=True, help="Print the score alone.")
def command(
    exercise: Exercise,
    path: Path | None,
    sandbox: SandboxName,
    only: tuple[str, ...],
    seed: int | None,
    outputs: tuple[str, ...],
    watch: bool,
    quiet: bool,
) -> int:
    """Grade a submission: a file, or a folder that holds it.

    Without PATH it is the folder of the exercise's name here, or else the workspace that `kata start` made,
    or else exercises/EXERCISE here.

    \b
    Exit status:  0 everything met, 1 something unmet, 2 wrong usage or
                  a submission that can't be read, 3 inconclusive
    """
    targets = parse_outputs(outputs)
    asked = tuple(dict.fromkeys(known_requirement(exercise, name) for name in only))
    request = Request(
        exercise=exercise,
        path=path or default_path(exercise),
        only=asked,
        seed=seed,
        outputs=targets,
        # Nothing may stand beside a report that goes to stdout.
        quiet=quiet or any(target.file == "-" for target in targets),
    )
    _refuse_unreadable(request)
    launcher = choose_launcher(sandbox, quiet=request.quiet)
    if watch:
        from kata.cli.watch import check_on_every_save

        return check_on_every_save(request, launcher)
    return _check_once(request, launcher)


def _refuse_unreadable(request: Request) -> None:
    """Raise UsageError now: what can't be read shall not wait for a sandbox."""
    from kata.submission import read_submission

    read_submission(request.path, request.exercise.file)


def _check_once(request: Request, launcher: Launcher) -> int:
    from kata.sandbox.choose import lanes

    connection = launcher.start(lanes())
    try:
        report = grade_once(request, launcher, connection)
    finally:
        connection.close()
    tell(request, report)
    write_outputs(report, request.outputs)
    return exit_status(report)


def default_path(exercise: Exercise) -> Path:
    """Where the submission is when nothing was said. Raises UsageError when it is in none of those places."""
    here = [Path(exercise.id), Path("exercises", exercise.id)]
    workspace = open_state().record(exercise.id).workspace
    places = [here[0], *([Path(workspace)] if workspace else []), here[1]]
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(short(place) for place in places)
    raise UsageError(
        f"No submission for {exercise.id} was found (looked for {looked}).",
        f"`kata start {exercise.id}` makes a workspace; or name the file: `kata check {exercise.id} PATH`.",
    )


def choose_launcher(sandbox: SandboxName, *, quiet: bool) -> Launcher:
    """The launcher for a sandbox, made ready with progress on stderr."""
    from kata.sandbox.choose import choose

    ticker = Ticker(quiet=quiet)

    def tell_notice(text: str) -> None:
        ticker.clear()
        notice(text)

    try:
        return choose(sandbox, progress=ticker, notice=tell_notice)
    finally:
        ticker.clear()


def grade_once(request: Request, launcher: Launcher, connection: Connection) -> Report:
    """Read the submission and grade it, shown live."""
    from kata.cli.live import shown_live
    from kata.grade import grade
    from kata.submission import read_submission

    seed = random.randint(1, DRAWN_SEED_MAX) if request.seed is None else request.seed
    submission = read_submission(request.path, request.exercise.file)
    if not request.quiet:
        echo(dim(f"Checking {short(request.path)} in {launcher.name}, seed {seed}"), err=True)
    with shown_live(request.exercise, quiet=request.quiet) as see:
        return grade(
            request.exercise,
            submission,
            launcher,
            seed=seed,
            only=request.only,
            connection=connection,
            on_event=see,
        )


def tell(request: Request, report: Report) -> None:
    """Keep the report and show it; that it could not be kept is said, and changes no verdict."""
    change: Change | None = None
    try:
        change = open_state().ran(report)
    except KataError as error:
        complain(f"This run was not kept. {error.message}", error.remedy)
    if any(target.file == "-" for target in request.outputs):
        return
    _renderer(request.quiet)(report)
    if change and not request.quiet:
        echo()
        echo(_what_changed(report, change))


def _renderer(quiet: bool) -> Callable[[Report], None]:
    from kata.report.terminal import render, render_brief

    console = rich_console()
    return lambda report: (render_brief if quiet else render)(report, console)


def _what_changed(report: Report, change: Change) -> str:
    """A line on what the run meant for the student's progress, and what to do next."""
    name = report.exercise.id
    if report.outcome == "inconclusive":
        return "This run was inconclusive and changed no score. `kata doctor` shows how the sandboxes do."
    if report.only:
        return f"This run checked a part, and changed no score. `kata check {name}` checks the whole."
    if report.problem:
        return f"Mend that first, then `kata check {name}` again."
    if report.outcome == "met":
        return f"Solved. `kata solution {name}` shows the reference to compare with."
    return f"{_compared(report.score, change)}`kata hint {name}` opens the next hint."


def _compared(score: int, change: Change) -> str:
    best, before = change.after.best, change.before.best
    if best and best.score > score:
        return f"Your best stays {best.score}. "
    if before and score > before.score:
        return f"Your best so far, up from {before.score}. "
    return ""


def exit_status(report: Report) -> int:
    """The status that a run of that outcome exits with."""
    return {"met": EXIT_MET, "inconclusive": EXIT_INCONCLUSIVE}.get(report.outcome, EXIT_UNMET)
