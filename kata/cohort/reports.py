"""The full report of everybody, as pages and as data: `reports/15-caching/ada.html`, `ada.json`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kata.cohort.ledger import Ledger
from kata.errors import KataError
from kata.report.faces import FACES
from kata.workspace import write_atomically

FOLDER = "reports"
_NAME_CHARS_MAX = 80


def write_reports(ledger: Ledger) -> int:
    """Write the reports that are missing in the run's folder, or are others by now; how many were written.

    Raises KataError when they can't be written.
    """
    written = 0
    for mark in ledger.cohort().marks:
        report = ledger.report_of(mark.person, mark.exercise)
        if report is None:
            continue
        page = ledger.folder / FOLDER / mark.exercise / f"{file_name(mark.person)}.html"
        data = page.with_suffix(".json")
        content = FACES["json"](report)
        if page.exists() and _is(data, content):
            continue
        try:
            write_atomically(page, FACES["html"](report))
            write_atomically(data, content)
        except OSError as error:
            raise KataError(
                f"The reports can't be written into {page.parent}: {error.strerror}.",
                f"All marks are kept; make room, and go on with `kata grade --resume {ledger.folder}`.",
            ) from error
        written += 1
    return written


def file_name(person: str) -> str:
    """A person's id as the name of a file, without its ending: no two people have the same on any file system."""
    plain = re.sub(r"[^a-z0-9@+_-]", "_", person)[:_NAME_CHARS_MAX]
    return plain if plain == person != "" else f"{plain}-{hashlib.sha256(person.encode()).hexdigest()[:8]}"


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
