"""Gradescope's export of submissions: a folder for each, and who handed it in in `submission_metadata.yml`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kata.errors import UsageError

METADATA = "submission_metadata.yml"
_BYTES_MAX = 64 * 2**20


class Submitter(msgspec.Struct, frozen=True, rename=lambda field: f":{field}"):
    """One of those who handed in a submission."""

    name: str | None = None
    sid: str | int | None = None
    email: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All that tells who it is: the student id first, the name last."""
        return tuple(str(each) for each in (self.sid, self.email, self.name) if each not in (None, ""))


class _Entry(msgspec.Struct, frozen=True):
    submitters: tuple[Submitter, ...] = msgspec.field(default=(), name=":submitters")


def read_metadata(path: Path) -> dict[str, tuple[Submitter, ...]]:
    """By a submission's folder who handed it in, several for a group. Raises UsageError that says what is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            raise UsageError(f"{path} is larger than {_BYTES_MAX >> 20} MiB.", "Export fewer submissions at a time.")
        entries = msgspec.yaml.decode(content, type=dict[str, _Entry])
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} can't be read: {error}.", "Export the submissions from Gradescope again, and leave it as it is."
        ) from None
    return {folder: entry.submitters for folder, entry in entries.items()}
