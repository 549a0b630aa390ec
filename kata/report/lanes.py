"""A transcript of several processes as a space-time diagram: a lane for each, time from left to right.

Messages are arrows from lane to lane, crashes are crosses, and what held for a while, such as a partition, is a band
(Lamport's *Time, Clocks, and the Ordering of Events*, CACM 1978, draws them so, upright).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kata.report import text
from kata.report.model import Line

STEP = 24
"""From one moment to the next, and between what happens in one lane at one moment."""
LANE = 44
LEFT = 96
TOP = 34
LABEL = 52
"""As much room as the time of a moment takes."""
LOST_SHARE = 0.4
"""So far a message gets that never arrives."""


@dataclass(frozen=True)
class Lane:
    name: str
    y: int


@dataclass(frozen=True)
class Mark:
    """A line of the transcript at its moment; `label` is what it says."""

    x: int
    y: int
    shape: str
    label: str


@dataclass(frozen=True)
class Arrow:
    """A message from lane to lane; `lost` when it never arrived."""

    x: int
    y: int
    to_x: int
    to_y: int
    lost: bool
    label: str


@dataclass(frozen=True)
class Band:
    """A fault that lasted for a while."""

    x: int
    width: int
    label: str


@dataclass(frozen=True)
class Moment:
    """A time that is written above the lanes."""

    x: int
    label: str


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    left: int
    lanes: tuple[Lane, ...]
    bands: tuple[Band, ...]
    arrows: tuple[Arrow, ...]
    marks: tuple[Mark, ...]
    moments: tuple[Moment, ...]


def lanes(lines: Sequence[Line]) -> Drawing | None:
    """The diagram of a transcript; None when fewer than two processes took part.

    The grader's own doings have the first lane. Moments are equally far apart: what counts is their order.
    """
    names = list(dict.fromkeys(line.process for line in lines))
    names += [line.peer for line in lines if line.peer and line.peer not in names]
    names = sorted(dict.fromkeys(names))
    if len([name for name in names if name]) < 2:
        return None
    rows = {name: TOP + LANE * index + LANE // 2 for index, name in enumerate(names)}
    columns, width = _columns(lines)
    marks, arrows, bands = [], [], []
    taken: dict[tuple[float, str], int] = defaultdict(int)
    for line in lines:
        x, y = columns[line.at_seconds], rows[line.process]
        if line.kind == "message":
            arrows.append(_arrow(line, x, y, columns, rows[line.peer]))
            continue
        if line.kind == "fault" and line.until_seconds is not None:
            bands.append(Band(x, columns[line.until_seconds] - x, text.line(line.text)))
        x += STEP * taken[line.at_seconds, line.process]
        taken[line.at_seconds, line.process] += 1
        result = f" → {line.result}" if line.result else ""
        marks.append(Mark(x, y, "wrong" if line.expected else line.kind, text.line(line.text + result)))
    return Drawing(
        width=width,
        height=TOP + LANE * len(names),
        left=LEFT,
        lanes=tuple(Lane(text.shortened(name or "grader"), y) for name, y in rows.items()),
        bands=tuple(bands),
        arrows=tuple(arrows),
        marks=tuple(marks),
        moments=tuple(_moments(columns)),
    )


def _columns(lines: Sequence[Line]) -> tuple[dict[float, int], int]:
    """Where each moment stands, and how wide all of them are; a moment is as wide as the lane with most to show."""
    crowd: dict[float, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        crowd[line.at_seconds][line.process] += line.kind != "message"
        if line.until_seconds is not None and line.kind in ("message", "fault"):
            crowd[line.until_seconds][""] += 0
    columns, x = {}, LEFT + STEP
    for moment in sorted(crowd):
        columns[moment] = x
        x += STEP * max(1, *crowd[moment].values())
    return columns, x + STEP


def _arrow(line: Line, x: int, y: int, columns: dict[float, int], to_y: int) -> Arrow:
    label = text.line(f"{line.process} to {line.peer}: {line.text}" + (f" ({line.note})" if line.note else ""))
    if line.until_seconds is None:
        return Arrow(x, y, x + STEP // 2, y + round((to_y - y) * LOST_SHARE), True, label)
    return Arrow(x, y, columns[line.until_seconds], to_y, False, label)


def _moments(columns: dict[float, int]) -> list[Moment]:
    """As many times as there is room for."""
    shown: list[Moment] = []
    for moment, x in sorted(columns.items()):
        if not shown or x - shown[-1].x >= LABEL:
            shown.append(Moment(x, text.seconds(moment)))
    return shown
