"""What the grader did and what came back, line by line, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from kata.report.model import Line

Kind = Literal["call", "world", "fault", "student", "message", "crash"]

LINES_MAX = 60
"""Of a transcript's lines, messages apart."""
MESSAGES_MAX = 120
_HEAD = 20


@dataclass(eq=False)
class Entry:
    """A line that is still being written; texts that name an object are made when it is read."""

    at_ns: int
    text: Callable[[], str] | str
    kind: Kind = "call"
    process: str = ""
    result: str = ""
    note: str = ""
    expected: str = ""
    peer: str = ""
    until_ns: int | None = None

    def line(self, process_shown: bool) -> Line:
        return Line(
            at_seconds=self.at_ns / 1_000_000_000,
            text=self.text if isinstance(self.text, str) else self.text(),
            result=self.result,
            note=self.note,
            expected=self.expected,
            process=self.process if process_shown else "",
            kind=self.kind,
            peer=self.peer,
            until_seconds=None if self.until_ns is None else self.until_ns / 1_000_000_000,
        )


def lines_of(entries: list[Entry]) -> tuple[tuple[Line, ...], int]:
    """At most LINES_MAX lines and MESSAGES_MAX messages, and how many were left out from the middle.

    Equal neighbours are folded into one. Of too many messages, the latest are told.
    """
    several = len({entry.process for entry in entries if entry.process}) > 1
    messages = [entry for entry in entries if entry.kind == "message"]
    untold = set(map(id, messages[: max(0, len(messages) - MESSAGES_MAX)]))
    lines: list[tuple[Line, int]] = []
    for entry in entries:
        if id(entry) in untold:
            continue
        line = entry.line(several)
        if lines and lines[-1][0] == line and not line.expected and line.kind != "message":
            lines[-1] = (line, lines[-1][1] + 1)
        else:
            lines.append((line, 1))
    folded = [_times(line, count) for line, count in lines]
    limit = LINES_MAX + len(messages) - len(untold)
    cut = len(folded) - limit
    if cut <= 0:
        return tuple(folded), len(untold)
    wrong = [index for index, line in enumerate(folded) if line.expected]
    # The wrong line and what led to it matter most; it is nearly always at the end.
    end = max(wrong[0] + 1, limit) if wrong else len(folded)
    tail = folded[end - (limit - _HEAD) : end]
    return tuple(folded[:_HEAD] + tail), len(untold) + len(folded) - _HEAD - len(tail)


def _times(line: Line, count: int) -> Line:
    if count == 1:
        return line
    note = f"× {count}" + (f", each {line.note}" if line.note else "")
    return msgspec.structs.replace(line, note=note)
