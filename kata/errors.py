"""The errors that a person is meant to read: each says what was wrong and what to do about it.

Only `kata/cli/` turns them into text and an exit status; everything else raises them.
"""

from __future__ import annotations

EXIT_MET = 0
EXIT_UNMET = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3


class KataError(Exception):
    """Something that went wrong in a way that we foresaw.

    `message` says what was wrong, `remedy` what to do next; both are whole sentences, without markup.
    """

    exit_status = EXIT_INCONCLUSIVE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(KataError):
    """The command was wrong, or it names something that can't be read. Exit status 2."""

    exit_status = EXIT_USAGE


class ContentError(UsageError):
    """An exercise's own files break a rule; `message` names the file, `remedy` how to mend it."""


class SandboxUnavailable(KataError):
    """The sandbox that was asked for can't be had on this machine. Exit status 3."""


class SandboxFailure(KataError):
    """The sandbox broke while it was in use: our fault, never the student's. Exit status 3."""
