"""What grading a cohort costs beside the grading: the coordinator, the gradebook, the page.

    python -m tests.benchmarks.cohort [--results N] [--folder FOLDER]

The grading itself is left out: each result is the same report of one real run, with a mark of chance. CPU time is
this process's own. The ledger lies in `--folder`; on a disk its syncs take wall time, which is not what is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

import msgspec

from kata.catalog import Catalog
from kata.cohort.coordinator import Coordinator
from kata.cohort.ledger import open_ledger
from kata.cohort.model import Handed, Intake, Person
from kata.exercise import Exercise
from kata.grade import grade
from kata.report.model import Report
from kata.report.scoring import overall
from kata.sandbox.process import ProcessLauncher
from kata.submission import Submission, read_submission

EXERCISES = 27
RUNNING = 4
PEAK = """
from pathlib import Path
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""
"""Prints the most memory that a process has held, in KiB. The kernel's own count for children would hold ours too."""
GRADEBOOK = """
import sys
from kata.cli.app import run

assert run(["gradebook", sys.argv[1], "--to", sys.argv[1] + "/marks.csv"]) == 0
"""
PAGE = """
import sys
from pathlib import Path
from kata.cohort import standings
from kata.cohort.ledger import open_ledger
from kata.cohort.page import write_page

with open_ledger(Path(sys.argv[1]), new=False) as ledger:
    write_page(ledger, standings.cohort(ledger))
"""


class Results:
    """Gives a report for each submission at once; notes how much CPU time had been used at each."""

    def __init__(self, report: Report, chance: random.Random) -> None:
        self._report = report
        self._chance = chance
        self.cpu_seconds: list[float] = []

    def submit(self, exercise: Exercise, submission: Submission, seed: int, person: str) -> Future[Report]:
        self.cpu_seconds.append(time.process_time())
        skill = self._chance.random()
        requirements = tuple(
            each if self._chance.random() < skill else msgspec.structs.replace(each, outcome="unmet", earned=0)
            for each in self._report.requirements
        )
        future: Future[Report] = Future()
        future.set_result(
            msgspec.structs.replace(
                self._report,
                requirements=requirements,
                outcome=overall(requirements),
                score=sum(each.earned for each in requirements),
            )
        )
        return future


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cohort")
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the ledger is made; in memory where the system offers it")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    root = options.folder or (memory if memory.is_dir() else Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="kata-benchmark-", dir=root) as name:
        folder = Path(name)
        _grade(folder, options.results)
        size = (folder / "ledger.sqlite").stat().st_size
        print(f"ledger of {options.results:,} results {size / 2**20:,.0f} MiB")
        for what, program in {"kata gradebook": GRADEBOOK, "the page": PAGE}.items():
            begun, used = time.perf_counter(), _cpu_of_children()
            done = subprocess.run([sys.executable, "-c", program + PEAK, name], check=True, stdout=subprocess.PIPE)
            seconds, cpu = time.perf_counter() - begun, _cpu_of_children() - used
            print(f"{what:24}{seconds:>7.1f} s {cpu:>7.1f} CPU-s {int(done.stdout) / 1024:>7,.0f} MiB")
        print(f"page of {(folder / 'index.html').stat().st_size / 2**20:.1f} MiB")


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _grade(folder: Path, results: int) -> None:
    exercise = Catalog().get("15-caching")
    submission = read_submission(exercise.solution_folder / exercise.file, exercise.file)
    graded = Results(grade(exercise, submission, ProcessLauncher(), seed=1), random.Random(1))
    exercises = {f"{n:02}-copy": msgspec.structs.replace(exercise, id=f"{n:02}-copy") for n in range(1, EXERCISES + 1)}
    with open_ledger(folder, new=True) as ledger:
        ledger.begin(list(exercises.values()), seed=1, sandbox="process", for_grades=False)
        ledger.take(_intake(exercise.file, submission, list(exercises), results))
        Coordinator(ledger, exercises, graded.submit, lambda: RUNNING, retry=0).run()
    _print_costs(graded.cpu_seconds)


def _intake(file: str, submission: Submission, exercises: list[str], results: int) -> Intake:
    """Everybody hands in the same, but for a comment, so that no two are one job."""
    people = tuple(Person(id=f"p{n:05}", name=f"Person {n}") for n in range(-(-results // EXERCISES)))
    handed = (
        Handed(
            person=people[n // EXERCISES].id,
            exercise=exercises[n % EXERCISES],
            where=people[n // EXERCISES].id,
            files={file: submission.files[file] + f"\n# {n}\n".encode()},
        )
        for n in range(results)
    )
    return Intake(people=people, handed=tuple(handed))


def _print_costs(cpu_seconds: list[float]) -> None:
    """CPU time a result, of the first thousand and of the last."""
    span = min(1_000, len(cpu_seconds) - 1)
    for what, first in (("first", 0), ("last", len(cpu_seconds) - 1 - span)):
        cost = (cpu_seconds[first + span] - cpu_seconds[first]) / span
        print(f"CPU a result, the {what} {span:,}: {cost * 1000:.2f} ms")


if __name__ == "__main__":
    main()
