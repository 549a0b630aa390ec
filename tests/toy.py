"""A toy course, a sandbox and a judge that only pretend, and a student who types: to test the command line.

What a submission earns stands in its own text: `met: counts bulk` names the requirements that are met. Of the
words `ours`, `fault`, `interrupt` and `wait` the first makes the run inconclusive, and the others raise,
interrupt, and hang.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kata.cli.app import run
from kata.exercise import CATEGORIES, Exercise
from kata.protocol import Declared, Event, Final, Finished, Loaded, Ready, Started
from kata.report.model import (
    CategoryScore,
    CheckResult,
    Dependability,
    ExerciseInfo,
    Failure,
    Outcome,
    Phases,
    Report,
    RequirementResult,
    SandboxInfo,
    SubmissionInfo,
)

TOY = Path(__file__).resolve().parent / "toy_course"

SOLVED = "# met: counts bulk refuses\n"
PARTLY = "# met: counts bulk\n"


class Answer(NamedTuple):
    """What a command said."""

    status: int
    out: str
    err: str


@dataclass
class FakeEnding:
    status: int | None = 0
    out_of_memory: bool = False
    errors: str = ""


@dataclass
class FakeConnection:
    """A sandbox that says `ready` and then waits, until it is closed or dies."""

    said: bytes = b"ready"
    dead: bool = False
    closed: bool = False
    read_seconds: list[float] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        return None

    def read(self, size: int, timeout_seconds: float) -> bytes:
        self.read_seconds.append(timeout_seconds)
        if self.said:
            data, self.said = self.said[:size], self.said[size:]
            return data
        if self.dead:
            return b""
        raise TimeoutError

    def close(self) -> FakeEnding:
        self.closed = True
        return FakeEnding()


@dataclass
class FakeLauncher:
    name: str = "process"
    is_lasting: bool = True
    started: list[FakeConnection] = field(default_factory=list)

    def start(self, lanes: int = 1) -> FakeConnection:
        self.started.append(FakeConnection())
        return self.started[-1]

    def info(self) -> SandboxInfo:
        return SandboxInfo(name="docker", for_grades=True)


def fake_grade(
    exercise: Exercise,
    submission: Any,
    launcher: Any,
    *,
    seed: int,
    only: tuple[str, ...] = (),
    coverage: bool = True,
    connection: Any = None,
    keep: Callable[[Any], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Report:
    """Judge as the submission's text says, with the events of a real run."""
    text = submission.files[exercise.file].decode()
    if "interrupt" in text:
        raise KeyboardInterrupt
    if "fault" in text:
        raise RuntimeError("secret details")
    met = text.partition("met:")[2].split()
    rows = []
    see = on_event or (lambda event: None)
    see(Ready(version="0", python="3.13.1", protections=()))
    asked = [r for r in exercise.requirements if not only or r.id in only]
    see(Declared(checks=tuple((f"test_{r.id}", r.id, r.text) for r in asked)))
    see(Loaded(failure=None, output="", seconds=0.0))
    for requirement in asked:
        outcome: Outcome = "inconclusive" if "ours" in text else "met" if requirement.id in met else "unmet"
        see(Started(id=f"test_{requirement.id}"))
        if "wait" in text:
            time.sleep(60)
        failure = None if outcome == "met" else Failure(kind="wrong-answer", message="It gave 7 for 8.")
        check = CheckResult(id=f"test_{requirement.id}", text=requirement.text, outcome=outcome, failure=failure)
        see(Finished(result=check))
        rows.append(
            RequirementResult(
                id=requirement.id,
                category=requirement.category,
                text=requirement.text,
                points=requirement.points,
                earned=requirement.points if outcome == "met" else 0,
                outcome=outcome,
                checks=(check,),
                hint="" if outcome == "met" else f"kata hint {exercise.id} {requirement.id}",
            )
        )
    see(Final(finished=len(rows), digest="", dependability=Dependability(), unexecuted=None))
    report = report_of(exercise, submission.digest, launcher.info(), rows, seed=seed, only=only)
    if connection is not None and keep is not None and report.outcome != "inconclusive":
        keep(connection)
    elif connection is not None:
        connection.close()
    return report


def report_of(
    exercise: Exercise,
    digest: str,
    sandbox: SandboxInfo,
    rows: list[RequirementResult],
    *,
    seed: int = 1,
    only: tuple[str, ...] = (),
) -> Report:
    """The report that requirements add up to."""
    outcomes = {row.outcome for row in rows}
    return Report(
        exercise=ExerciseInfo(id=exercise.id, title=exercise.title, digest=exercise.digest()),
        submission=SubmissionInfo(name=exercise.file, digest=digest, files=(exercise.file,)),
        score=sum(row.earned for row in rows),
        max_score=sum(row.points for row in rows),
        outcome="inconclusive" if "inconclusive" in outcomes else "unmet" if "unmet" in outcomes else "met",
        sandbox=sandbox,
        seed=seed,
        only=only,
        requirements=tuple(rows),
        categories=tuple(
            CategoryScore(
                category=category,
                earned=sum(row.earned for row in rows if row.category == category),
                points=sum(row.points for row in rows if row.category == category),
            )
            for category in CATEGORIES
        ),
        phases=Phases(),
        dependability=Dependability(),
        started_at="2026-03-14T09:26:53+00:00",
        kata_version="0",
        grader_digest="9a" * 32,
        replay=f"kata check {exercise.id} --seed {seed}",
    )


class Course:
    """The toy course, and a student with a folder and a state of their own who types commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.here = tmp_path / "here"
        self.state = tmp_path / "state"
        self.launcher = FakeLauncher()
        self._capsys = capsys
        self.here.mkdir()
        monkeypatch.chdir(self.here)
        monkeypatch.setenv("KATA_CONTENT", str(TOY))
        monkeypatch.setenv("KATA_HOME", str(self.state))
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr("kata.grade.grade", fake_grade)
        monkeypatch.setattr("kata.sandbox.choose.choose", self._choose)

    def _choose(self, name: str, *, progress: Callable[[str], None], notice: Callable[[str], None]) -> Any:
        progress("Building the sandbox image (1/4): pulling a base")
        self.chosen = name
        return self.launcher

    def kata(self, *arguments: str) -> Answer:
        """Type a command, and read what it says."""
        self._capsys.readouterr()
        status = run(list(arguments))
        said = self._capsys.readouterr()
        return Answer(status, said.out, said.err)

    def submission(self, text: str) -> Path:
        """A submission for 01-toy with that text."""
        path = self.here / "counter.py"
        path.write_text(text, encoding="utf-8")
        return path
