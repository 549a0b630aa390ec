"""The first half of `kata dev check`: what can be seen by reading an exercise's files."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kata.authoring.findings import Finding, error, not_python
from kata.exercise import Category, Exercise

BLANK = "FILL IN:"
"""Marks what `kata dev new` leaves for the author to write."""

POINTS = 100
POINTS_MIN: dict[Category, int] = {"failure": 25, "timing": 15}
RUNGS = 3

TEST_FILES: dict[str, Category] = {
    "test_correctness.py": "correctness",
    "test_timing.py": "timing",
    "test_failure.py": "failure",
}
CACHES = {"__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def read_papers(exercise: Exercise) -> list[Finding]:
    """Everything that is wrong with the exercise's files, its grader's code apart (see `grader.py`)."""
    return [
        *_blanks(exercise),
        *_points(exercise),
        *_hints(exercise),
        *_files(exercise),
        *_readme(exercise),
        *_provides(exercise, exercise.stub),
        *_provides(exercise, exercise.solution_folder / exercise.file),
        *_formatting(exercise),
    ]


def submissions_in(folder: Path, file: str) -> list[Path]:
    """The submissions in a `wrong/` or `right/` folder, by name: files, and folders that hold `file`."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".py" or (path / file).is_file())


def source_of(submission: Path, file: str) -> Path:
    """The file of a submission that its docstring stands in."""
    return submission / file if submission.is_dir() else submission


def defined_names(tree: ast.Module) -> set[str]:
    """Names that a module binds at its top level."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return names


def _blanks(exercise: Exercise) -> Iterator[Finding]:
    for folder in (exercise.folder, exercise.grader_folder, exercise.solution_folder):
        for path in _walk(folder):
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
                if BLANK in line:
                    wanted = line.partition(BLANK)[2].strip(' "')
                    yield error(
                        exercise,
                        path,
                        f"This blank is not filled: {wanted}",
                        f"Write what it asks for, and take `{BLANK}` away.",
                        number,
                    )


def _points(exercise: Exercise) -> Iterator[Finding]:
    path = exercise.folder / "exercise.toml"
    if exercise.max_score != POINTS:
        yield error(
            exercise,
            path,
            f"The requirements' points add up to {exercise.max_score}, not {POINTS}.",
            "Change the points of single requirements until they do.",
        )
    for category, least in POINTS_MIN.items():
        points = sum(r.points for r in exercise.requirements if r.category == category)
        if points < least:
            yield error(
                exercise,
                path,
                f"The requirements about {category} have {points} points; at least {least} are needed.",
                f"Add a requirement about {category}, or move points to one.",
            )


def _hints(exercise: Exercise) -> Iterator[Finding]:
    for requirement in exercise.requirements:
        rungs = exercise.hints.get(requirement.id, ())
        if len(rungs) != RUNGS:
            yield error(
                exercise,
                exercise.folder / "hints.md",
                f"{requirement.id!r} has {len(rungs)} rungs of hints, not {RUNGS}.",
                f"Below `## {requirement.id}`, number three: the idea, the property, a pointer.",
            )
        for number, rung in enumerate(rungs, 1):
            if not rung.strip():
                yield error(
                    exercise,
                    exercise.folder / "hints.md",
                    f"Rung {number} of {requirement.id!r} is empty.",
                    "Write it, or let the rungs below it move up.",
                )


def _files(exercise: Exercise) -> Iterator[Finding]:
    grader = exercise.grader_folder
    expected = {
        exercise.folder: {"README.md", "exercise.toml", "hints.md", exercise.file},
        grader: {"conftest.py", *TEST_FILES, "wrong", "right"},
        exercise.solution_folder: {exercise.file, "NOTES.md"},
    }
    for folder, names in expected.items():
        for name in sorted(names):
            if not (folder / name).exists():
                yield error(
                    exercise,
                    folder / name,
                    "It is missing.",
                    "Write it; `kata dev new` shows what one looks like.",
                    blocking=name.endswith(".py"),
                )
        for path in _entries(folder):
            allowed = path.name in names or (folder == grader and _may_stand_in_grader(path))
            if not allowed:
                yield _stray(exercise, path)
    for role in ("wrong", "right"):
        submissions = submissions_in(grader / role, exercise.file)
        for path in _entries(grader / role):
            if path not in submissions:
                yield _stray(exercise, path)


def _may_stand_in_grader(path: Path) -> bool:
    helper = path.suffix == ".py" and path.is_file() and not path.name.startswith("test_")
    return helper or path.name == "SURVIVORS.md"


def _stray(exercise: Exercise, path: Path) -> Finding:
    return error(
        exercise,
        path,
        "It is a stray file: nothing reads it here.",
        "Take it away, or move it where it belongs.",
    )


def _readme(exercise: Exercise) -> Iterator[Finding]:
    path = exercise.folder / "README.md"
    if not path.is_file():
        return
    text = path.read_text("utf-8")
    for kind, names in (
        ("requirement", [requirement.id for requirement in exercise.requirements]),
        ("provided name", exercise.provides),
    ):
        for name in names:
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                yield error(
                    exercise,
                    path,
                    f"It does not mention the {kind} {name!r}.",
                    f"Say what `{name}` is: a student reads nothing else before starting.",
                )


def _provides(exercise: Exercise, path: Path) -> Iterator[Finding]:
    if not path.is_file():
        return
    try:
        names = defined_names(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError) as problem:
        yield not_python(exercise, path, problem)
        return
    for name in exercise.provides:
        if name not in names:
            yield error(
                exercise,
                path,
                f"It does not define {name!r}, which exercise.toml says it provides.",
                f"Define `{name}` at the top level, or take it out of `provides`.",
            )


def _formatting(exercise: Exercise) -> Iterator[Finding]:
    if importlib.util.find_spec("ruff") is None:
        return
    for path in (exercise.stub, exercise.solution_folder / exercise.file):
        if not path.is_file():
            continue
        command = [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "-q", str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 1:
            yield error(exercise, path, "It is not formatted.", f"Run `ruff format {path.name}` in its folder.")


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name not in CACHES)


def _walk(folder: Path) -> Iterator[Path]:
    for path in _entries(folder):
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path
