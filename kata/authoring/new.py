"""`kata dev new`: an exercise to start from. It is small and whole, so that every part can be seen at work.

The templates describe a reader of a store that tries once more. What an author has to write is marked as a
blank; `kata dev check` lists the blanks that are left, and accepts the exercise once they are filled.
"""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from kata.errors import UsageError

TREES = {"exercise": "exercises", "grader": "graders", "solution": "solutions"}
SUFFIX = ".tmpl"


def new_exercise(root: Path, name: str) -> list[Path]:
    """Write the exercise `name` (`28-leases`: two digits, then the topic) into the three trees below `root`.

    Returns the files it wrote. Raises UsageError when the name is malformed, when `root` is no checkout, or
    when the number is already taken in any of the trees; nothing is written then.
    """
    if not re.fullmatch(r"\d\d-[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} is not named like an exercise.", "Name it like 28-leases: two digits, then the topic."
        )
    _refuse_taken(root, name)
    words = _words(name)
    texts = {
        root / tree / name / _filled(path, words): Template(template.read_text("utf-8")).substitute(words)
        for part, tree in TREES.items()
        for path, template in _templates(resources.files("kata.authoring") / "template" / part)
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return sorted(texts)


def _refuse_taken(root: Path, name: str) -> None:
    if not (root / "exercises").is_dir() or not (root / "pyproject.toml").is_file():
        raise UsageError(
            f"{root} is not a checkout of this project.",
            "Clone the project, install it with `pip install -e .`, and run this there.",
        )
    number = name[:2]
    for tree in TREES.values():
        for taken in sorted((root / tree).glob(f"{number}-*")):
            raise UsageError(
                f"{taken.relative_to(root)} exists already, and nothing is overwritten.",
                "Choose another number, or take that folder away.",
            )


def _words(name: str) -> dict[str, str]:
    topic = name[3:]
    return {
        "id": name,
        "topic": topic,
        "title": topic.replace("-", " ").capitalize(),
        "module": topic.replace("-", "_"),
        "class_name": topic.title().replace("-", ""),
    }


def _templates(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    """Relative name and content of every template in a folder."""
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            found.append((prefix + entry.name.removesuffix(SUFFIX), entry))
    return found


def _filled(path: str, words: dict[str, str]) -> str:
    return path.replace("MODULE", words["module"])
