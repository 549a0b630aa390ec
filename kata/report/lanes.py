"""A transcript of several processes as a drawing: a lane for each, its events from left to right in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kata.report import text
from kata.report.model import Line

STEP = 58
LANE = 34
LEFT = 96
TOP = 30


@dataclass(frozen=True)
class Lane:
    name: str
    y: int


@dataclass(frozen=True)
class Mark:
    """One line of the transcript; `label` is what it says, `when` its time, if that is new."""

    x: int
    y: int
    shape: str
    label: str
    when: str


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    left: int
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]


def lanes(lines: Sequence[Line]) -> Drawing | None:
    """The drawing of a transcript; None when fewer than two processes took part.

    The grader's own doings have the first lane. Steps are equal: what counts is the order; times stand above.
    """
    names = list(dict.fromkeys(line.process for line in lines))
    if len([name for name in names if name]) < 2:
        return None
    names.sort(key=bool)
    rows = {name: TOP + LANE * (index + 1) - LANE // 2 for index, name in enumerate(names)}
    marks = []
    before = None
    for index, line in enumerate(lines):
        when = "" if line.at_seconds == before else text.seconds(line.at_seconds)
        before = line.at_seconds
        shape = "wrong" if line.expected else line.kind
        result = f" → {line.result}" if line.result else ""
        marks.append(
            Mark(
                LEFT + STEP * index + STEP // 2,
                rows[line.process],
                shape,
                text.line(line.text + result),
                when,
            )
        )
    return Drawing(
        width=LEFT + STEP * len(lines),
        height=TOP + LANE * len(names),
        left=LEFT,
        lanes=tuple(Lane(text.shortened(name or "grader"), y) for name, y in rows.items()),
        marks=tuple(marks),
    )
