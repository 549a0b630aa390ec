"""Finds the exercises that this installation has."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from kata.errors import UsageError
from kata.exercise import Exercise, read_exercise


def content_root() -> Path:
    """The folder that holds `exercises/`, `graders/` and `solutions/`.

    Inside a wheel that is `kata/content`, in a checkout the folder above the package; `KATA_CONTENT` overrides both.
    """
    override = os.environ.get("KATA_CONTENT")
    if override:
        return Path(override)
    package = Path(__file__).resolve().parent
    return package / "content" if (package / "content").is_dir() else package.parent


class Catalog:
    """The exercises below a content root, in the order of their numbers."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or content_root()

    def ids(self) -> list[str]:
        """The ids of all exercises; reads only folder names, so that completion is quick."""
        folder = self.root / "exercises"
        if not folder.is_dir():
            raise UsageError(
                f"No exercises were found in {folder}.", "Install system-design-kata again, or unset KATA_CONTENT."
            )
        return sorted(path.name for path in folder.iterdir() if (path / "exercise.toml").is_file())

    def get(self, exercise_id: str) -> Exercise:
        """The exercise of exactly that id."""
        return read_exercise(self.root / "exercises" / exercise_id, self.root / "graders", self.root / "solutions")

    def all(self) -> list[Exercise]:
        return [self.get(exercise_id) for exercise_id in self.ids()]

    def find(self, name: str) -> Exercise:
        """The exercise that `name` means: its number, its id, or a part of it that only one has.

        Raises UsageError that suggests the nearest ones.
        """
        ids = self.ids()
        wanted = name.strip().strip("/").lower()
        number = int(wanted) if wanted.isdigit() and wanted.isascii() else None
        exact = [i for i in ids if i == wanted or i.partition("-")[2] == wanted or _number(i) == number is not None]
        matches = exact or ([i for i in ids if wanted in i] if wanted and number is None else [])
        if len(matches) == 1:
            return self.get(matches[0])
        if matches:
            raise UsageError(f"{name!r} may mean {_either(matches)}.", "Name one of them in full, or by its number.")
        near = difflib.get_close_matches(wanted, ids + [i.partition("-")[2] for i in ids], n=3, cutoff=0.5)
        near_ids = list(dict.fromkeys(i for n in near for i in ids if n in (i, i.partition("-")[2])))
        suggestion = f"Did you mean {_either(near_ids)}? " if near_ids else ""
        raise UsageError(f"There is no exercise {name!r}.", f"{suggestion}`kata list` shows all of them.")


def _number(exercise_id: str) -> int | None:
    digits = exercise_id.partition("-")[0]
    return int(digits) if digits.isdecimal() else None


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
