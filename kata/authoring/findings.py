"""What `kata dev check` has to say: plain data, drawn by the command line and read by tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kata.exercise import Exercise

Severity = Literal["error", "warning", "inconclusive"]
"""`error`: it must not ship so. `warning`: it may, but could be better. `inconclusive`: our fault."""

Mark = Literal["lost", "sometimes", "kept", "skipped", "unasked", "unknown"]
"""What became of a requirement over all the seeds that one submission was graded with."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that keeps an exercise from its best form."""

    severity: Severity
    file: str
    """Relative to the folder that holds `exercises/`, `graders/` and `solutions/`."""
    line: int | None = None
    message: str
    """A sentence: what is wrong."""
    remedy: str
    """A sentence: how to mend it."""
    detail: str = ""
    """What else there is to read: the end of a log."""
    blocking: bool = False
    """Nothing of the exercise can be run until it is mended."""

    @property
    def place(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one wrong submission lost."""

    submission: str
    """Its name, without folder and suffix."""
    named: frozenset[str]
    """Ids of the requirements that it says it loses."""
    allowed: frozenset[str]
    """Ids of those that it may lose besides."""
    marks: dict[str, Mark]
    """By requirement id."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of one exercise's proof, and the matrix of wrong submissions against requirements."""

    requirements: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    checks: int = 0
    wrong: int = 0
    right: int = 0
    stub_score: int | None = None
    """None when the stub was not graded."""
    runs: int = 0
    """How many times a submission was graded; 0 when a blocking finding kept it from being run."""


@dataclass(frozen=True, kw_only=True)
class ExerciseReport:
    """All that was found about one exercise."""

    exercise: str
    findings: tuple[Finding, ...]
    summary: Summary = field(default_factory=Summary)

    @property
    def proved(self) -> bool:
        """Nothing but warnings was found."""
        return all(finding.severity == "warning" for finding in self.findings)


def relative(exercise: Exercise, path: Path) -> str:
    """`path` as findings name it: from the folder that holds the three trees."""
    return path.relative_to(exercise.folder.parent.parent).as_posix()


def error(
    exercise: Exercise,
    path: Path,
    message: str,
    remedy: str,
    line: int | None = None,
    *,
    blocking: bool = False,
) -> Finding:
    """A finding of severity `error` about `path`."""
    return Finding(
        severity="error",
        file=relative(exercise, path),
        line=line,
        message=message,
        remedy=remedy,
        blocking=blocking,
    )


def not_python(exercise: Exercise, path: Path, problem: SyntaxError | ValueError) -> Finding:
    """A finding about a file that Python can't parse."""
    return error(
        exercise,
        path,
        f"It is not Python: {problem}.",
        "Mend its syntax.",
        problem.lineno if isinstance(problem, SyntaxError) else None,
        blocking=True,
    )
