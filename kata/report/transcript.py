"""A transcript in columns on a terminal: `t=…`, what was done, `→` what came back, what else it caused.

rich's tables shrink every column alike when a line is too long; here the short lines keep their columns, and
only what does not fit moves to a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from kata.report import text
from kata.report.model import CheckResult, Line

STYLES = {"call": "", "world": "cyan", "fault": "yellow", "student": "magenta", "message": "dim", "crash": "red"}
GAP = 2
ACTION_SHARE = 0.55
RESULT_SHARE = 0.3
NARROWEST = 16
"""Columns below which a cell rather starts further to the left on a line of its own."""


class Transcript:
    """The transcript of one check, with the lines that were left out of its middle counted."""

    def __init__(self, check: CheckResult) -> None:
        self.lines = check.transcript
        self.cut = check.transcript_cut

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stamps = [_stamp(each) for each in self.lines]
        names = [text.shortened(each.process) for each in self.lines]
        left = _width(stamps) + GAP + (_width(names) + GAP if any(names) else 0)
        rows = [_cells(each) for each in self.lines]
        columns = _columns(rows, max(NARROWEST, options.max_width - left))
        for number, (stamp, name, cells) in enumerate(zip(stamps, names, rows, strict=True)):
            if self.cut and number == (len(rows) + 1) // 2:
                yield Text(" " * left + f"… {text.plural(self.cut, 'line')} left out …", "dim italic")
            margin = _padded(Text(f"{stamp:<{_width(stamps) + GAP}}{name}", "dim"), left)
            for row in _laid_out(cells, columns, options.max_width - left, console):
                yield margin.append_text(row)
                margin = Text(" " * left)


def _stamp(line: Line) -> str:
    return f"t={text.seconds(line.at_seconds)}"


def _width(texts: Sequence[str]) -> int:
    return max((cell_len(each) for each in texts), default=0)


def _cells(line: Line) -> list[Text]:
    """What was done, what came back, and what else there is to say; the last two may be empty."""
    wrong = bool(line.expected)
    arrow = f"{line.peer} ← " if line.peer else ""
    result = (
        Text("→ ", "dim").append(text.line(line.result), "not dim bold red" if wrong else "not dim")
        if line.result
        else Text()
    )
    note = Text(text.line(line.note), "dim")
    if wrong:
        note.append("  " if line.note else "")
        note.append("expected ", "not dim").append(text.line(line.expected), "not dim bold green")
    return [Text(text.line(arrow + line.text), STYLES[line.kind]), result, note]


def _columns(rows: Sequence[Sequence[Text]], width: int) -> tuple[int, int, int]:
    """Where each column starts: beyond the cells that have one to their right, up to a share of the width."""
    actions = [row[0].cell_len for row in rows if row[1] or row[2]]
    results = [row[1].cell_len for row in rows if row[2]]
    second = _fitting(actions, int(width * ACTION_SHARE)) + GAP
    return 0, second, second + _fitting(results, int(width * RESULT_SHARE)) + GAP


def _fitting(lengths: Sequence[int], most: int) -> int:
    return max((length for length in lengths if length <= most), default=0)


def _laid_out(cells: Sequence[Text], columns: Sequence[int], width: int, console: Console) -> Iterator[Text]:
    row = Text()
    moved = None
    for cell, column in zip(cells, columns, strict=True):
        if not cell:
            continue
        start = max(column, row.cell_len + GAP if row else 0)
        if row and (moved is not None or start + cell.cell_len > width):
            yield row
            start = moved = _own_start(cell, columns[1], width) if moved is None else moved
            row = Text()
        *whole, last = cell.wrap(console, max(NARROWEST, width - start), overflow="fold")
        for part in whole:
            yield _padded(row, start).append_text(part)
            row = Text()
        row = _padded(row, start).append_text(last)
    yield row


def _own_start(cell: Text, column: int, width: int) -> int:
    """Where a cell starts on a line of its own: in the second column if it fits there, else only indented."""
    return column if column + cell.cell_len <= width else 2 * GAP


def _padded(row: Text, width: int) -> Text:
    return row.append(" " * max(0, width - row.cell_len))
