"""`kata grade`: grade a cohort. The road is `command`: take in, write down, grade, say who stands where."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import click
from msgspec import structs

from kata.cli.check import SEED_MAX
from kata.cli.console import Ticker, dim, echo, notice, short, style
from kata.cli.options import complete_exercise, sandbox_option
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET, SandboxUnavailable, UsageError

if TYPE_CHECKING:
    from kata.cohort.cluster import Cluster
    from kata.cohort.coordinator import Progress
    from kata.cohort.ledger import Ledger
    from kata.cohort.model import Cohort, Intake, Trouble
    from kata.cohort.pool import Pool
    from kata.exercise import Exercise

LISTED_MAX = 20
PLAIN_SECONDS = 5.0
"""How often progress is said where no terminal is."""


@click.command()
@click.argument("submissions", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--out", "run", type=click.Path(path_type=Path), help="The run's folder; made, or gone on with.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run, without looking for submissions.")
@click.option("--regrade", type=click.Path(path_type=Path), help="Grade what this run has once more, into another.")
@click.option(
    "--exercise",
    "names",
    metavar="EXERCISE",
    multiple=True,
    shell_complete=complete_exercise,
    help="Grade this exercise; may be given several times. All that are recognised without it.",
)
@click.option("--roster", type=click.Path(path_type=Path, exists=True), help="The gradebook that Canvas exports (CSV).")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Grade on the workers of this Dask scheduler, as in tcp://host:8786; `local:N` starts N workers here. "
    "There `--sandbox auto` is docker.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Submissions graded at a time; one for each core without it, or all that a cluster's workers take.",
)
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Of all runs; drawn when the run begins without it.")
@click.option(
    "--retry",
    type=click.IntRange(0, 10),
    default=2,
    show_default=True,
    help="How often to repeat what is inconclusive.",
)
@click.option("--dry-run", is_flag=True, help="Say what was recognised, and stop.")
@click.option("--allow-unisolated", is_flag=True, help="Allow `--sandbox process`, which protects nothing.")
@sandbox_option
def command(
    submissions: Path | None,
    run: Path | None,
    resume: Path | None,
    regrade: Path | None,
    names: tuple[str, ...],
    roster: Path | None,
    cluster: str | None,
    jobs: int | None,
    seed: int | None,
    retry: int,
    dry_run: bool,
    allow_unisolated: bool,
    sandbox: str,
) -> int:
    """Grade a folder of many people's submissions.

    SUBMISSIONS, which may be a zip or tar, holds a folder or an archive for each person, a Canvas download,
    Gradescope's export, or clones named `assignment-username`. Results go into the folder of a run; whatever happens
    meanwhile, the same command goes on where it stopped. Ctrl-C once lets running jobs end, twice stops at once.

    \b
    Exit status:  0 everything that could be read is graded, 2 wrong usage,
                  3 something stayed inconclusive, 130 stopped
    """
    from kata.cohort import standings
    from kata.cohort.ledger import open_ledger
    from kata.cohort.page import write_page
    from kata.cohort.reports import write_reports

    folder = resume or run
    if [submissions, resume, regrade].count(None) != 2 or (folder is None and not dry_run):
        raise UsageError(
            "Say what to grade, and where to.",
            "`kata grade SUBMISSIONS --out RUN` begins a run or goes on with it; `kata grade --resume RUN` goes on; "
            "`kata grade --regrade RUN --out RUN2` grades the same submissions again.",
        )
    taken: _Taken | None
    if regrade:
        taken, seed = _take_over(regrade, names, seed)
    else:
        taken = _take_in(submissions, names, roster) if submissions else None
    if dry_run or folder is None:
        return EXIT_MET
    with open_ledger(folder, new=resume is None) as ledger:
        _agree(ledger, seed, sandbox)
        exercises = taken.exercises if taken else _still_there(ledger)
        ticker = Ticker(pause_seconds=PLAIN_SECONDS)
        with _pool(cluster, ledger.setting("sandbox") or sandbox, jobs, allow_unisolated, ticker) as pool:
            ledger.begin(exercises, seed=_seed(ledger, seed), sandbox=pool.sandbox, for_grades=pool.for_grades)
            if taken:
                ledger.take(taken.intake, taken.roster_columns)
            progress = _grade(ledger, exercises, pool, retry, ticker)
        cohort = standings.cohort(ledger)
        write_reports(ledger, cohort)
        _tell(cohort, folder, write_page(ledger, cohort))
    return EXIT_INCONCLUSIVE if progress.inconclusive else 130 if progress.stopping else EXIT_MET


class _Taken(NamedTuple):
    exercises: tuple[Exercise, ...]
    intake: Intake
    roster_columns: tuple[str, ...]


def _take_in(submissions: Path, names: tuple[str, ...], roster: Path | None) -> _Taken:
    """Recognise what was handed in, and say so before anything runs."""
    from kata.catalog import Catalog
    from kata.cohort.intake import take_in
    from kata.cohort.roster import read_roster

    listed = read_roster(roster) if roster else None
    intake = take_in(submissions, Catalog().all(), listed, _chosen(names))
    _tell_intake(intake)
    return _Taken(_exercises_of(intake), intake, listed.columns if listed else ())


def _take_over(regrade: Path, names: tuple[str, ...], seed: int | None) -> tuple[_Taken, int]:
    """What another run has taken in; and its seed unless another is asked for, so that only the grader differs."""
    from kata.cohort.ledger import open_ledger

    chosen = {exercise.id for exercise in _chosen(names)}
    with open_ledger(regrade, new=False) as old:
        intake, columns = old.intake(), old.roster_columns()
        seed = int(old.setting("seed")) if seed is None else seed
    if chosen:
        intake = structs.replace(intake, handed=tuple(each for each in intake.handed if each.exercise in chosen))
    _tell_intake(intake)
    return _Taken(_exercises_of(intake), intake, columns), seed


def _chosen(names: tuple[str, ...]) -> list[Exercise]:
    from kata.catalog import Catalog

    return list({exercise.id: exercise for exercise in map(Catalog().find, names)}.values())


def _exercises_of(intake: Intake) -> tuple[Exercise, ...]:
    """Raises UsageError for one that is no longer there."""
    from kata.catalog import Catalog

    return tuple(Catalog().find(each) for each in sorted({handed.exercise for handed in intake.handed}))


def _tell_intake(intake: Intake) -> None:
    found = Counter(handed.exercise for handed in intake.handed)
    handed_in = {handed.person for handed in intake.handed}
    echo(f"{len(intake.handed)} submissions of {len(handed_in)} people were recognised.", err=True)
    for exercise, count in sorted(found.items()):
        echo(f"  {exercise}  {count}", err=True)
    _list("Handed in nothing", [p.name for p in intake.people if p.roster and p.id not in handed_in])
    _list("Not in the roster", intake.unmatched)
    _list("Can't be graded", [f"{each.where}: {each.problem}" for each in intake.handed if each.problem])
    _list("To be looked at", [_words(trouble) for trouble in intake.troubles])


def _words(trouble: Trouble) -> str:
    return f"{trouble.where}: {trouble.problem} {trouble.remedy}"


def _list(title: str, lines: list[str] | tuple[str, ...]) -> None:
    from kata.report.text import line as on_one_line

    if not lines:
        return
    echo(f"{title}:", err=True)
    for line in lines[:LISTED_MAX]:
        echo(f"  {on_one_line(line)}", err=True)
    if len(lines) > LISTED_MAX:
        echo(dim(f"  and {len(lines) - LISTED_MAX} more"), err=True)


def _agree(ledger: Ledger, seed: int | None, sandbox: str) -> None:
    """Raise UsageError when the run was begun with another seed or sandbox: its marks would not compare."""
    for name, wanted in (
        ("seed", "" if seed is None else str(seed)),
        ("sandbox", "" if sandbox == "auto" else sandbox),
    ):
        begun = ledger.setting(name)
        if begun and wanted and wanted != begun:
            raise UsageError(
                f"This run was begun with --{name} {begun}.", f"Leave out --{name}, or name another folder with --out."
            )


def _seed(ledger: Ledger, seed: int | None) -> int:
    from secrets import randbelow

    begun = ledger.setting("seed")
    return int(begun) if begun else randbelow(1_000_000) if seed is None else seed


@contextmanager
def _pool(
    cluster: str | None, sandbox: str, jobs: int | None, allow_unisolated: bool, ticker: Ticker
) -> Iterator[Pool | Cluster]:
    """What grades, this machine or a cluster, closed at the end; after an error what runs is left to itself."""
    pool = (
        _on_cluster(cluster, sandbox, jobs, allow_unisolated, ticker)
        if cluster
        else _here(sandbox, jobs, allow_unisolated)
    )
    try:
        yield pool
    except BaseException:
        pool.close(wait=False)
        raise
    pool.close(wait=True)


def _here(sandbox: str, jobs: int | None, allow_unisolated: bool) -> Pool:
    from kata.cli.check import choose_launcher
    from kata.cohort.pool import Pool
    from kata.sandbox.choose import cores

    launcher = choose_launcher(sandbox, quiet=False)  # type: ignore[arg-type] # one of the option's choices
    _refuse_unisolated(launcher.info().for_grades or allow_unisolated)
    return Pool(launcher, jobs or cores())


def _on_cluster(where: str, sandbox: str, jobs: int | None, allow_unisolated: bool, ticker: Ticker) -> Cluster:
    from kata.cohort.cluster import connect

    def tell(text: str) -> None:
        ticker.clear()
        notice(text)

    # What its machines have isn't known here, and all shall be graded alike.
    name = "docker" if sandbox == "auto" else sandbox
    _refuse_unisolated(name != "process" or allow_unisolated)
    return connect(where, name, jobs, tell)  # type: ignore[arg-type] # likewise


def _refuse_unisolated(allowed: bool) -> None:
    if not allowed:
        raise UsageError(
            "Nothing here isolates submissions from the grader and from each other.",
            "Install docker or bubblewrap (`kata doctor` says how); --allow-unisolated grades all the same.",
        )


def _still_there(ledger: Ledger) -> tuple[Exercise, ...]:
    from kata.catalog import Catalog

    return tuple(Catalog().find(column.id) for column in ledger.exercises())


def _grade(
    ledger: Ledger, exercises: tuple[Exercise, ...], pool: Pool | Cluster, retry: int, ticker: Ticker
) -> Progress:
    from kata.cohort.coordinator import Coordinator

    begun = time.monotonic()
    by_id = {exercise.id: exercise for exercise in exercises}

    def tell(progress: Progress) -> None:
        ticker(_line(progress, time.monotonic() - begun))

    try:
        return Coordinator(ledger, by_id, pool.submit, pool.places, retry, tell).run()
    except SandboxUnavailable as error:
        goes_on = f"Nothing is lost: `kata grade --resume {short(ledger.folder)}` goes on."
        raise SandboxUnavailable(error.message, f"{error.remedy} {goes_on}") from error
    finally:
        ticker.clear()


def _line(progress: Progress, seconds: float) -> str:
    """`12 of 40 graded, 3 not all met, 1 inconclusive, 14 a minute, 2 min left`."""
    known = progress.all - progress.left
    rate = known / seconds if seconds else 0.0
    left = f", {progress.left / rate / 60:.0f} min left" if rate else ""
    parts = f"{progress.done} of {progress.all} graded, {progress.unmet} not all met"
    if progress.inconclusive:
        parts += f", {progress.inconclusive} inconclusive"
    ending = "; waiting for what runs, Ctrl-C again stops now" if progress.stopping else ""
    return f"{parts}, {60 * rate:.0f} a minute{left}{ending}"


def _tell(cohort: Cohort, folder: Path, page: Path) -> None:
    from kata.cohort.model import MarkState

    marks = cohort.marks
    states: Counter[MarkState] = Counter(mark.state for mark in marks)
    echo(
        style(", ".join(f"{states[state]} {state}" for state in get_args(MarkState) if states[state]) + ".", bold=True)
    )
    alike = sum(bool(mark.same_as) for mark in marks)
    if alike:
        echo(f"{alike} of them are the same files as somebody else's: the gradebook's column same_as says whose.")
    if states["inconclusive"]:
        notice("What is inconclusive was our fault or the machine's, and has no mark: run the same command again.")
    if states["waiting"]:
        echo(f"`kata grade --resume {short(folder)}` goes on.")
    echo(f"Everybody: {short(page)}. Marks: `kata gradebook {short(folder)}`.")
