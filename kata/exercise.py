"""What an exercise is: its metadata and requirements, read from `exercise.toml` and `hints.md`, and validated."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kata.errors import ContentError

Category = Literal["correctness", "timing", "failure"]
CATEGORIES: tuple[Category, ...] = ("correctness", "timing", "failure")

TRIALS = ("wrong", "right")
"""Folders of a grader with the submissions that try it out: they are no part of it."""

RequirementId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public, scored sentence about a correct system."""

    id: RequirementId
    category: Category
    points: Annotated[int, Meta(ge=1, le=100)]
    text: Annotated[str, Meta(min_length=10, max_length=400)]
    needs: tuple[RequirementId, ...] = ()
    """Requirements without which this one can't be judged: while one of them is unmet, it is `skipped`."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Real resources that a submission may use. They guard the machine; what is graded is virtual time."""

    check_seconds: Annotated[float, Meta(gt=0, le=600)] = 10.0
    """Wall time of one check, all its processes and examples together."""
    call_seconds: Annotated[float, Meta(gt=0, le=600)] = 5.0
    """Wall time that a student process may run before it answers or waits."""
    run_seconds: Annotated[float, Meta(gt=0, le=3600)] = 120.0
    memory_mib: Annotated[int, Meta(ge=32, le=4096)] = 256
    """Address space of one student process."""
    processes: Annotated[int, Meta(ge=1, le=64)] = 24
    """Processes and threads of one student process."""
    output_kib: Annotated[int, Meta(ge=1, le=1024)] = 64
    """What is kept of what a check's processes print."""


class _Toml(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal[1]
    title: Annotated[str, Meta(min_length=3, max_length=80)]
    topic: Annotated[str, Meta(min_length=3, max_length=40)]
    file: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\.py$")]
    provides: Annotated[tuple[str, ...], Meta(min_length=1)]
    requirements: Annotated[tuple[Requirement, ...], Meta(min_length=1)]
    limits: Limits = Limits()


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """One topic's task, with the folders that belong to it."""

    id: str
    """`15-caching`: number and topic, as the folder is named."""
    title: str
    topic: str
    """The group that `kata list` shows it in."""
    file: str
    """Name of the stub, and of the file that a submission must have."""
    provides: tuple[str, ...]
    """Names that the file must define."""
    requirements: tuple[Requirement, ...]
    limits: Limits
    hints: dict[str, tuple[str, ...]]
    """For each requirement its rungs, from the idea to the pointer."""
    folder: Path
    grader_folder: Path
    solution_folder: Path

    @property
    def number(self) -> int:
        return int(self.id.partition("-")[0])

    @property
    def max_score(self) -> int:
        return sum(requirement.points for requirement in self.requirements)

    @property
    def stub(self) -> Path:
        return self.folder / self.file

    def requirement(self, requirement_id: str) -> Requirement:
        """The requirement of that id; KeyError when there is none."""
        for requirement in self.requirements:
            if requirement.id == requirement_id:
                return requirement
        raise KeyError(requirement_id)

    def digest(self) -> str:
        """SHA-256 (hex) over all that decides what is asked: statement, metadata, stub and hints."""
        return digest_folder(self.folder)

    def grader_digest(self) -> str:
        """SHA-256 (hex) over the grader's own code; its wrong and right submissions don't count."""
        return digest_folder(self.grader_folder, skip=TRIALS)


def files_below(folder: Path, skip: tuple[str, ...] = ()) -> dict[str, bytes]:
    """A folder's files by relative name, in a fixed order; caches and the folders in `skip` left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in skip and "__pycache__" not in relative.parts:
            files[relative.as_posix()] = path.read_bytes()
    return files


def digest_folder(folder: Path, skip: tuple[str, ...] = ()) -> str:
    """SHA-256 (hex) of a folder's files, by relative name and content; caches and the folders in `skip` left out."""
    digest = hashlib.sha256()
    for name, content in files_below(folder, skip).items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def read_exercise(folder: Path, graders: Path, solutions: Path) -> Exercise:
    """Read one exercise from its folder; `graders` and `solutions` are the roots of the two mirrored trees.

    Raises ContentError, which names the file, what is wrong in it, and how to mend it.
    """
    path = folder / "exercise.toml"
    if not re.fullmatch(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*", folder.name):
        raise ContentError(
            f"{folder} is not named like an exercise.", "Name it like 15-caching: two digits, then the topic."
        )
    try:
        toml = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Toml)
    except FileNotFoundError:
        raise ContentError(f"{path} is missing.", "`kata dev new` writes one to start from.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ContentError(f"{path}: {error}.", "Mend that field; docs/authors.md lists all of them.") from None
    ids = [requirement.id for requirement in toml.requirements]
    for requirement_id in ids:
        if ids.count(requirement_id) > 1:
            raise ContentError(
                f"{path}: two requirements have the id {requirement_id!r}.", "Give each an id of its own."
            )
    for requirement in toml.requirements:
        for needed in requirement.needs:
            if needed not in ids or ids.index(needed) >= ids.index(requirement.id):
                raise ContentError(
                    f"{path}: {requirement.id!r} needs {needed!r}, which no earlier requirement has as its id.",
                    "Let it need requirements that stand above it in the file.",
                )
    return Exercise(
        id=folder.name,
        title=toml.title,
        topic=toml.topic,
        file=toml.file,
        provides=toml.provides,
        requirements=toml.requirements,
        limits=toml.limits,
        hints=_read_hints(folder / "hints.md", ids),
        folder=folder,
        grader_folder=graders / folder.name,
        solution_folder=solutions / folder.name,
    )


def _read_hints(path: Path, ids: list[str]) -> dict[str, tuple[str, ...]]:
    """`## requirement-id` headings, each with a numbered list of rungs that may run over several lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContentError(
            f"{path} is missing.", "Write three rungs for each requirement: idea, property, pointer."
        ) from None
    except UnicodeDecodeError as error:
        raise ContentError(f"{path}: {error}.", "Save it as UTF-8.") from None
    hints: dict[str, tuple[str, ...]] = {}
    for section in re.split(r"^## +", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        requirement_id = heading.strip().strip("`")
        if requirement_id not in ids:
            raise ContentError(
                f"{path}: no requirement has the id {requirement_id!r}.", "Use an id from exercise.toml."
            )
        rungs = re.split(r"^\d+\. +", body, flags=re.MULTILINE)[1:]
        hints[requirement_id] = tuple(re.sub(r"\n[ \t]+", "\n", rung).strip() for rung in rungs)
    return hints
