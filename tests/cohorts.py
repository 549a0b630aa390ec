"""Simulated cohorts: what the course has of right and wrong submissions, mutated and handed in by many people.

    python -m tests.cohorts --people 200 --sandbox bubblewrap --against docker
    python -m tests.cohorts --people 10 --sandbox bubblewrap --kills 50

With `--against` the same cohort is graded in another sandbox, and the marks of both must agree. With `--kills` it is
graded once more, by a `kata grade` that is killed at random moments and begun again, until the marks must be those of
the run that nothing disturbed, and each job judged once. It is run by hand; `test_cohort.py` does it with a toy course.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kata.authoring.packages import with_packages
from kata.submission import read_submission

ROOT = Path(__file__).resolve().parent.parent


class Instructor:
    """Somebody with a folder of submissions, `all`, who grades it again and again."""

    def __init__(self, folder: Path, *options: str, content: Path = ROOT) -> None:
        self.folder = folder
        self._options = options
        self._environment = {
            **os.environ,
            "KATA_CONTENT": str(content),
            "KATA_HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
        }

    def begin(self, run: str, *options: str) -> subprocess.Popen[bytes]:
        """Begin to grade into that run, or go on with it."""
        command = ["grade", "all", "--out", run, "--seed", "3", *(options or self._options)]
        return subprocess.Popen(
            [sys.executable, "-m", "kata", *command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def grade(self, run: str, *options: str) -> float:
        """Grade to the end; how many seconds it took. AssertionError when something stayed ungraded."""
        begun = time.monotonic()
        process = self.begin(run, *options)
        _, errors = process.communicate()
        assert process.returncode == 0, f"grading ended with {process.returncode}: {errors.decode()[-2_000:]}"
        return time.monotonic() - begun

    def is_killed(self, run: str, after_seconds: float) -> None:
        """Begin to grade, and be killed after that time."""
        with self.begin(run) as process:
            time.sleep(after_seconds)
            process.kill()

    def marks(self, run: str) -> list[str]:
        """The gradebook, a line of JSON for each person and exercise."""
        command = [sys.executable, "-m", "kata", "gradebook", run, "--format", "jsonl"]
        said = subprocess.run(command, cwd=self.folder, env=self._environment, capture_output=True, check=True)
        return said.stdout.decode().splitlines()

    def attempts(self, run: str) -> list[tuple[str, str | None]]:
        """Job and outcome of all attempts, as the ledger has them."""
        with sqlite3.connect(self.folder / run / "ledger.sqlite") as ledger:
            return ledger.execute("select job, outcome from attempts").fetchall()


def make(folder: Path, exercises: Sequence[str], people: int, chance: random.Random) -> None:
    """Everybody hands in most exercises: one of its submissions, most of them with a comment of their own."""
    for number in range(people):
        for exercise in exercises:
            if chance.random() < 0.05:
                continue
            grader = ROOT / "graders" / exercise
            pool = sorted(
                [*(ROOT / "solutions" / exercise).glob("*.py"), *grader.glob("right/*.py"), *grader.glob("wrong/*.py")]
            )
            comment = f"\n# {number}\n".encode() if chance.random() < 0.8 else b""
            stub = next((ROOT / "exercises" / exercise).glob("*.py")).name
            files = with_packages(read_submission(chance.choice(pool), stub)).files
            for name, content in {**files, stub: files[stub] + comment}.items():
                path = folder / f"p{number:03}" / exercise / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def kill_again_and_again(instructor: Instructor, kills: int, longest_seconds: float, chance: random.Random) -> None:
    """Grade `clean` once and `killed` with as many deaths. AssertionError when they differ."""
    instructor.grade("clean")
    for _ in range(kills):
        instructor.is_killed("killed", chance.uniform(0.2, longest_seconds))
    instructor.grade("killed")
    assert instructor.marks("killed") == instructor.marks("clean"), "the marks differ from those of an undisturbed run"
    outcomes = instructor.attempts("killed")
    judged = Counter(job for job, outcome in outcomes if outcome in ("met", "unmet"))
    assert judged == Counter(job for job, _ in instructor.attempts("clean")), "not every job was judged just once"
    unaccounted = [outcome for _, outcome in outcomes if outcome not in ("met", "unmet", "lost")]
    assert not unaccounted, f"attempts that neither judged nor were lost: {unaccounted}"


def main() -> None:
    """Grade a simulated cohort as the options say."""
    parser = argparse.ArgumentParser(prog="python -m tests.cohorts")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--sandbox", default="bubblewrap")
    parser.add_argument("--against", help="another sandbox, whose marks must be the same")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds until a kill, at most")
    parser.add_argument("--exercise", action="append", help="only these; all without it")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    exercises = options.exercise or sorted(path.name for path in (ROOT / "exercises").iterdir())
    with tempfile.TemporaryDirectory(prefix="kata-cohort-") as name:
        folder = Path(name)
        make(folder / "all", exercises, options.people, random.Random(options.seed))
        instructor = Instructor(folder, "--sandbox", options.sandbox)
        seconds = instructor.grade("clean")
        marks = instructor.marks("clean")
        print(f"{len(marks)} marks, {len(instructor.attempts('clean'))} jobs, {seconds:.0f} s in {options.sandbox}")
        if options.against:
            seconds = instructor.grade("against", "--sandbox", options.against)
            differing = [pair for pair in zip(marks, instructor.marks("against"), strict=True) if len(set(pair)) > 1]
            print(f"{len(differing)} marks differ, {seconds:.0f} s in {options.against}")
            print(*(line for pair in differing for line in pair), sep="\n")
        if options.kills:
            kill_again_and_again(instructor, options.kills, options.longest, random.Random(options.seed))
            lost = sum(outcome == "lost" for _, outcome in instructor.attempts("killed"))
            print(f"{options.kills} kills, {lost} attempts lost with them, the marks are the same")


if __name__ == "__main__":
    main()
