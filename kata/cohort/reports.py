"""The full report of everybody, as pages and as data: `reports/15-caching/ada.html`, `ada.json`."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from kata.cohort.ledger import Ledger
from kata.cohort.model import Cohort, Mark
from kata.errors import KataError
from kata.report.faces import FACES
from kata.workspace import write_atomically

FOLDER = "reports"
_NAME_CHARS_MAX = 80
_AT_A_TIME = 100
"""Reports that are written down as written together: after a death so many are written once more."""


def write_reports(ledger: Ledger, cohort: Cohort) -> int:
    """Write the reports that are missing in the run's folder, or are others by now; how many were written.

    Raises KataError when they can't be written.
    """
    counting, written = ledger.counting(), ledger.written()
    folders = {exercise.id: ledger.folder / FOLDER / exercise.id for exercise in cohort.exercises}
    present = {exercise: _names(folder) for exercise, folder in folders.items()}
    todo = [
        mark
        for mark in cohort.marks
        if mark.job in counting
        and not (
            written.get((mark.person, mark.exercise)) == (mark.job, counting[mark.job])
            and {f"{file_name(mark.person)}.{face}" for face in ("html", "json")} <= present[mark.exercise]
        )
    ]
    for start in range(0, len(todo), _AT_A_TIME):
        part = todo[start : start + _AT_A_TIME]
        for mark in part:
            _write(ledger, mark, folders[mark.exercise])
        ledger.wrote((mark.person, mark.exercise, mark.job, counting[mark.job]) for mark in part)
    return len(todo)


def write_results(ledger: Ledger, cohort: Cohort, folder: Path) -> int:
    """Write what Gradescope's autograder answers for everything that is graded, and how many that were.

    It is `15-caching/ada/results.json` below the folder. Raises KataError when they can't be written.
    """
    graded = [mark for mark in cohort.marks if mark.state == "graded"]
    for mark in graded:
        _draw(ledger, mark, {folder / mark.exercise / file_name(mark.person) / "results.json": "gradescope"})
    return len(graded)


def _write(ledger: Ledger, mark: Mark, folder: Path) -> None:
    name = file_name(mark.person)
    _draw(ledger, mark, {folder / f"{name}.html": "html", folder / f"{name}.json": "json"})


def _draw(ledger: Ledger, mark: Mark, files: dict[Path, str]) -> None:
    """Write the report that a mark comes from, in the face that each file is to have."""
    report = ledger.report(mark.job)
    assert report is not None
    try:
        for file, face in files.items():
            write_atomically(file, FACES[face](report))
    except OSError as error:
        raise KataError(
            f"The reports can't be written into {file.parent}: {error.strerror}.",
            f"All marks are kept; make room, and go on with `kata grade --resume {ledger.folder}`.",
        ) from error


def file_name(person: str) -> str:
    """A person's id as the name of a file, without its ending: no two people have the same on any file system."""
    plain = re.sub(r"[^a-z0-9@+_-]", "_", person)[:_NAME_CHARS_MAX]
    return plain if plain == person != "" else f"{plain}-{hashlib.sha256(person.encode()).hexdigest()[:8]}"


def _names(folder: Path) -> set[str]:
    with suppress(OSError):
        return set(os.listdir(folder))
    return set()
