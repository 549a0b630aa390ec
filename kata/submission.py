"""What a student hands in: a file, or a folder with that file in it, read by rules of our own.

Regular files and folders only; no links, devices or pipes; plain relative names; bounded while reading.
Nothing of it is ever put on the grader's path, so a `conftest.py` or a `sitecustomize.py` means nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kata.errors import UsageError

ENTRIES_MAX = 200
SCANNED_MAX = 10_000
"""Entries of a folder, those that are left out included."""
PARTS_MAX = 8
FILE_BYTES_MAX = 1024 * 1024
TOTAL_BYTES_MAX = 4 * 1024 * 1024
_NAME = re.compile(r"[\w][\w .,+@=()\[\]-]{0,99}")
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "venv"}


@dataclass(frozen=True)
class Submission:
    """Files by relative name, with `/` between folders. `name` is what it was called where it came from."""

    name: str
    files: dict[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over names and contents: equal submissions have equal digests."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


def read_submission(path: Path, file: str) -> Submission:
    """Read the submission at `path`: a single file, which stands for `file`, or a folder that holds `file`.

    Raises UsageError when it is missing, can't be read, or breaks a rule; the message names the culprit.
    """
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {_reason(error)}.", f"Name a file, or a folder that holds {file}."
        ) from None
    if stat.S_ISREG(kind):
        if path.is_symlink():
            raise UsageError(f"{path} is a link.", "Name the file itself.")
        return Submission(path.name, {file: _read(path)})
    if not stat.S_ISDIR(kind):
        raise UsageError(f"{path} is neither a file nor a folder.", f"Name a file, or a folder that holds {file}.")
    submission = Submission(path.resolve().name, read_folder(path))
    if file not in submission.files:
        raise UsageError(f"{path} holds no {file}.", f"The submission must have that name, as the stub has: {file}.")
    return submission


def read_folder(folder: Path) -> dict[str, bytes]:
    """All files below a folder by relative name; hidden ones and caches are left out. Raises UsageError."""
    files: dict[str, bytes] = {}
    folded: dict[str, str] = {}
    total = 0
    for name in _walk(folder):
        for part in _with_parents(name):
            other = folded.setdefault(part.casefold(), part)
            if other != part:
                raise UsageError(f"{other} and {part} differ only by case.", "Rename one of them.")
        if len(files) >= ENTRIES_MAX:
            raise UsageError(f"{folder} holds more than {ENTRIES_MAX} files.", "Hand in only what the exercise needs.")
        files[name] = _read(folder / name)
        total += len(files[name])
        if total > TOTAL_BYTES_MAX:
            raise UsageError(
                f"{folder} holds more than {TOTAL_BYTES_MAX >> 20} MiB.", "Hand in only what the exercise needs."
            )
    return files


def check_name(name: str) -> None:
    """UsageError unless it is a relative name of harmless characters, in the one form that Unicode prefers (NFC)."""
    parts = name.split("/")
    harmless = all(_NAME.fullmatch(part) and not part.endswith((".", " ")) for part in parts)
    if not harmless or len(parts) > PARTS_MAX or unicodedata.normalize("NFC", name) != name:
        raise UsageError(
            f"{name!r} is not a name that a submission may have.", "Use letters, digits, dots, dashes and underscores."
        )


def _with_parents(name: str) -> Iterator[str]:
    for end, character in enumerate(name):
        if character == "/":
            yield name[:end]
    yield name


def _walk(root: Path, inside: str = "") -> Iterator[str]:
    """The relative names of all files that count. Names are checked first, and with them how deep it goes."""
    folder = root / inside
    try:
        with os.scandir(folder) as scan:
            entries = sorted(islice(scan, SCANNED_MAX + 1), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} can't be read: {_reason(error)}.", "Make it readable, and try again.") from None
    if len(entries) > SCANNED_MAX:
        raise UsageError(
            f"{folder} holds more than {SCANNED_MAX:,} files.", "Name a folder that holds the submission alone."
        )
    for entry in entries:
        if entry.name.startswith((".", "#")) or entry.name.endswith("~"):
            continue  # hidden files, and what editors leave behind
        path, name = Path(entry.path), inside + entry.name
        check_name(name)
        if entry.is_symlink():
            raise UsageError(
                f"{path} is a link; a submission holds files and folders only.", "Put the file itself there."
            )
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS:
                yield from _walk(root, f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield name
        else:
            raise UsageError(
                f"{path} is not a regular file.", "A submission holds files and folders only; take it out."
            )


def _read(path: Path) -> bytes:
    """At most the limit and one byte is read, whatever the file claims to be or becomes meanwhile."""
    try:
        # Neither a link nor a pipe is followed or waited for, should one have come in its place.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {_reason(error)}.", "Make it readable, and try again.") from None
    if len(content) > FILE_BYTES_MAX:
        raise UsageError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB.", "Hand in source code only.")
    return content


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
