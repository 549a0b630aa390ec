"""An autograder for Gradescope: a zip with all that grades one exercise, to be uploaded as it is.

    setup.sh          run once, when Gradescope builds the image: installs what follows
    run_autograder    run for each submission, without network
    kata/             this kata, and of the course the one exercise with its grader; no solution
    wheels/           the packages that kata needs, for each Python of `PYTHONS`

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from string import Template

import kata
from kata.exercise import Exercise, files_below
from kata.grade import grader_files
from kata.sandbox import Progress
from kata.sandbox.packages import REQUIRED, TargetPython, download

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Whose wheels are in the archive."""
PLATFORM = {"machine": "x86_64", "libc": ["glibc", "2.28"]}
"""Gradescope's machines, and the oldest system that an image for them is likely to have."""
COMMAND_LINE = ("click", "pip", "platformdirs", "rich")
"""What is needed there besides the packages of a sandbox."""

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry: the same exercise and packages give the same archive."""
_PROGRAM, _FILE = 0o100755, 0o100644

Files = Iterator[tuple[str, bytes]]


def wheels(progress: Progress) -> dict[str, bytes]:
    """The packages as wheels, by file name. Raises SandboxUnavailable when pip can't get them."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="kata-export-") as scratch:
        for version in PYTHONS:
            progress(f"Getting packages for Python {version}")
            folder = Path(scratch) / version
            folder.mkdir()
            download(progress, TargetPython.from_probe({"python": version, **PLATFORM}), _packages(), folder)
            found |= {path.name: path.read_bytes() for path in folder.glob("*.whl")}
    return found


def autograder(exercise: Exercise, packages: dict[str, bytes]) -> bytes:
    """The archive for an exercise; `packages` are `wheels`."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("setup.sh", "run_autograder"):
            _add(archive, name, _script(name, exercise), _PROGRAM)
        for name, data in sorted([*_program(), *_course(exercise)]):
            _add(archive, f"kata/{name}", data)
        for name, data in sorted(packages.items()):
            _add(archive, f"wheels/{name}", data)
    return target.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int = _FILE) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def _packages() -> tuple[str, ...]:
    return (*REQUIRED, *COMMAND_LINE)


def _script(name: str, exercise: Exercise) -> bytes:
    template = (resources.files("kata.export") / "templates" / name).read_text("utf-8")
    minors = [version.partition(".")[2] for version in PYTHONS]
    words = {
        "exercise": exercise.id,
        "packages": " ".join(_packages()),
        "oldest": minors[0],
        "newest": minors[-1],
        "names": " ".join(f"python{version}" for version in reversed(PYTHONS)),
    }
    return Template(template).substitute(words).encode()


def _program() -> Files:
    """This package's own files, whether it is a checkout's or an installed one's, without any course."""
    yield from _below(Path(kata.__file__).parent, "kata", skip=("content",))


def _course(exercise: Exercise) -> Files:
    """The exercise, and of its grader what grades; its wrong and right submissions stay here, as does the solution."""
    yield from _below(exercise.folder, f"exercises/{exercise.id}")
    for name, data in grader_files(exercise).items():
        yield f"graders/{exercise.id}/{name}", data


def _below(folder: Path, name: str, skip: tuple[str, ...] = ()) -> Files:
    return ((f"{name}/{inner}", data) for inner, data in files_below(folder, skip).items())
