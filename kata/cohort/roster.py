"""The roster: who should have handed something in, as Canvas exports its gradebook (CSV)."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path

from kata.cohort.model import Person
from kata.errors import UsageError

ID_COLUMNS = ("ID", "SIS User ID", "SIS Login ID")
"""By which Canvas matches rows, in this order; the name comes last."""
KEPT_COLUMNS = ("Student", *ID_COLUMNS, "Section")
_ROWS_MAX = 100_000


class Roster:
    """People by each of their ids and by name; `columns` are all that the file has."""

    def __init__(self, columns: tuple[str, ...], people: tuple[Person, ...]) -> None:
        self.columns = columns
        self.people = people
        self._known: dict[str, Person | None] = {}
        for person in people:
            names = {person.roster.get(column, "") for column in ID_COLUMNS} - {""}
            for name in {*map(str.casefold, names), *_spellings(person.name)}:
                # What several people are called tells nobody.
                self._known[name] = None if name in self._known else person

    def find(self, *names: str) -> Person | None:
        """The one whom the first of these names means that means anybody: an id, a login, or the name."""
        for name in names:
            found = self._known.get(name.casefold()) or self._known.get(folded(name))
            if found:
                return found
        return None


def read_roster(path: Path) -> Roster:
    """Read the CSV that Canvas exports. Raises UsageError that names the line which is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = tuple(rows.fieldnames or ())
            if "Student" not in columns or not set(columns) & set(ID_COLUMNS):
                raise UsageError(
                    f"{path} is not a roster: it lacks the columns Student and ID.",
                    "Export the gradebook from Canvas as CSV, and name that file.",
                )
            people = [_person(row, columns) for _, row in zip(range(_ROWS_MAX), rows, strict=False) if _is_person(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} can't be read: {error}.", "Export it again, as CSV in UTF-8.") from None
    ids = [person.id for person in people]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        raise UsageError(f"{path} has the id {twice!r} twice.", "Leave each person one row.")
    return Roster(columns, tuple(people))


def _is_person(row: dict[str, str | None]) -> bool:
    student = (row.get("Student") or "").strip()
    return bool(student) and student not in ("Points Possible", "Student, Test")


def _person(row: dict[str, str | None], columns: tuple[str, ...]) -> Person:
    cells = {column: (row.get(column) or "").strip() for column in KEPT_COLUMNS if column in columns}
    ids = [cells[column] for column in ID_COLUMNS if cells.get(column)]
    return Person(id=ids[0] if ids else cells["Student"], name=cells["Student"], roster=cells)


def folded(name: str) -> str:
    """A name as file names write it: small letters and digits alone."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or name
    return re.sub(r"[\W_]+", "", plain.casefold())


def _spellings(name: str) -> set[str]:
    """`Doe, Jane` is `doejane` and `janedoe`."""
    last, comma, first = name.partition(",")
    return {folded(name), folded(f"{first} {last}")} if comma else {folded(name)}
