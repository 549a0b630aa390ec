"""What the grader did and what came back, line by line, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kata.report.model import Line

LINES_MAX = 60
_HEAD = 20


@dataclass(eq=False)
class Entry:
    """A line that is still being written; texts that name an object are made when it is read."""

    at_ns: int
    text: Callable[[], str] | str
    kind: Literal["call", "world", "fault", "student"] = "call"
    process: str = ""
    result: str = ""
    note: str = ""
    expected: str = ""

    def line(self, process_shown: bool) -> Line:
        return Line(
            at_seconds=self.at_ns / 1_000_000_000,
            text=self.text if isinstance(self.text, str) else self.text(),
            result=self.result,
            note=self.note,
            expected=self.expected,
            process=self.process if process_shown else "",
            kind=self.kind,
        )


def lines_of(entries: list[Entry]) -> tuple[tuple[Line, ...], int]:
    """At most LINES_MAX lines, equal neighbours folded into one, and how many were left out from the middle."""
    several = len({entry.process for entry in entries if entry.process}) > 1
    lines: list[tuple[Line, int]] = []
    for entry in entries:
        line = entry.line(several)
        if lines and lines[-1][0] == line and not line.expected:
            lines[-1] = (line, lines[-1][1] + 1)
        else:
            lines.append((line, 1))
    folded = [_times(line, count) for line, count in lines]
    cut = len(folded) - LINES_MAX
    if cut <= 0:
        return tuple(folded), 0
    wrong = [index for index, line in enumerate(folded) if line.expected]
    # The wrong line and what led to it matter most; it is nearly always at the end.
    end = max(wrong[0] + 1, LINES_MAX) if wrong else len(folded)
    tail = folded[end - (LINES_MAX - _HEAD) : end]
    return tuple(folded[:_HEAD] + tail), len(folded) - _HEAD - len(tail)


def _times(line: Line, count: int) -> Line:
    if count == 1:
        return line
    note = f"× {count}" + (f", each {line.note}" if line.note else "")
    return Line(
        at_seconds=line.at_seconds,
        text=line.text,
        result=line.result,
        note=note,
        expected=line.expected,
        process=line.process,
        kind=line.kind,
    )
