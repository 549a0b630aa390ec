"""The wheel, installed where no checkout is: it holds the whole course, and grades with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from kata.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ("exercises", "graders", "solutions")
SCORE = re.compile(r"(\d+)/100")

pytestmark = pytest.mark.slow


class Installed(NamedTuple):
    wheel: Path
    folder: Path
    """Where a new user works: empty, and outside the checkout."""
    environment: dict[str, str]

    def kata(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder.parent / "venv/bin/kata"), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("wheel")
    folder = place / "here"
    folder.mkdir()
    python = str(place / "venv/bin/python")
    for command in (
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT)],
        [sys.executable, "-m", "venv", str(place / "venv")],
    ):
        subprocess.run(command, cwd=place, check=True)
    [wheel] = place.glob("*.whl")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], cwd=place, check=True)
    hidden = ("PYTHON", "KATA", "COV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= {"KATA_HOME": str(place / "home"), "COLUMNS": "100"}
    return Installed(wheel, folder, environment)


def shipped(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def tracked(*folders: str) -> set[str]:
    """What git has in these folders, if this is a checkout; else what is there, without caches."""
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_holds_the_whole_course_and_the_whole_program(installed: Installed) -> None:
    names = shipped(installed.wheel)
    course = {f"kata/content/{name}" for name in tracked(*CONTENT)}
    program = tracked("kata")
    assert course | program <= names, sorted((course | program) - names)


def test_holds_nothing_else(installed: Installed) -> None:
    others = {name for name in shipped(installed.wheel) if not name.startswith("kata/")}
    assert all(".dist-info/" in name for name in others), sorted(others)
    for name in shipped(installed.wheel) - others:
        parts = name.split("/")
        assert not any(part.startswith(".") or part in ("__pycache__", "tests") for part in parts), name
        assert not name.endswith((".pyc", "~", ".orig", ".rej", ".swp", ".log")), name
        assert parts[1] != "content" or parts[2] in CONTENT, name


def test_lists_the_exercises_and_starts_one(installed: Installed) -> None:
    listed = installed.kata("list")
    assert listed.returncode == 0, listed.stderr
    for exercise in Catalog().ids():
        assert exercise in listed.stdout
    begun = installed.kata("start", "15")
    assert begun.returncode == 0, begun.stderr
    assert {path.name for path in (installed.folder / "15-caching").iterdir()} == {
        "README.md",
        "HINTS.md",
        "cache_aside.py",
    }


@pytest.mark.parametrize("exercise", Catalog().ids())
def test_grades_the_reference_and_the_stub(installed: Installed, exercise: str) -> None:
    solution = installed.kata("check", exercise, str(ROOT / "solutions" / exercise), "--sandbox", "process", "--quiet")
    assert solution.returncode == 0, solution.stdout + solution.stderr
    assert SCORE.search(solution.stdout)[1] == "100"
    workspace = installed.folder / f"stub-{exercise}"
    assert installed.kata("start", exercise, str(workspace)).returncode == 0
    stub = installed.kata("check", exercise, str(workspace), "--sandbox", "process", "--quiet")
    assert stub.returncode == 1, stub.stdout + stub.stderr
    assert int(SCORE.search(stub.stdout)[1]) <= 5
