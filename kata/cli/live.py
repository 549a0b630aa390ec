"""What one sees of a run while it goes on, check by check: live on a terminal, in plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kata.cli.console import echo, printable, rich_console, style
from kata.protocol import Declared, Event, Finished, Started
from kata.report.words import SYMBOLS

if TYPE_CHECKING:
    from rich.table import Table

    from kata.exercise import Exercise
    from kata.report.model import CheckResult, Outcome

COLOURS: dict[Outcome, str] = {
    "met": "green",
    "unmet": "red",
    "inconclusive": "yellow",
    "skipped": "bright_black",
}
REFRESHES_PER_SECOND = 8
LABEL_CHARS = 14


@contextmanager
def shown_live(exercise: Exercise, *, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show the events that the yielded function receives; nothing of it stays on a terminal."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.live import Live

        board = Board(exercise)
        with Live(
            get_renderable=board.draw,
            console=rich_console(err=True),
            transient=True,
            refresh_per_second=REFRESHES_PER_SECOND,
        ):
            yield board.see
    else:
        yield Lines().see


class Lines:
    """A line for each check, once it has ended."""

    def __init__(self) -> None:
        self._requirements: dict[str, str] = {}

    def see(self, event: Event) -> None:
        if isinstance(event, Declared):
            self._requirements = {check: requirement for check, requirement, _ in event.checks}
        elif isinstance(event, Finished):
            echo(self._line(event.result), err=True)

    def _line(self, result: CheckResult) -> str:
        mark = style(SYMBOLS[result.outcome], COLOURS[result.outcome])
        requirement = self._requirements.get(result.id, "")
        return f"{mark} {result.outcome:<12} {printable(requirement)}: {_one_line(result.text)}"


class Board:
    """A row of marks for each category, one mark a check, and below them what is being tried."""

    def __init__(self, exercise: Exercise) -> None:
        from rich.spinner import Spinner

        self._categories = {r.id: r.category for r in exercise.requirements}
        self._marks: dict[str, dict[str, Outcome | None]] = {}
        self._sentences: dict[str, str] = {}
        self._doing = "starting the sandbox"
        self._began = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def see(self, event: Event) -> None:
        if isinstance(event, Declared):
            for check, requirement, sentence in event.checks:
                row = self._marks.setdefault(self._categories.get(requirement, "other"), {})
                row[check] = None
                self._sentences[check] = _one_line(sentence)
            self._doing = "loading the submission"
        elif isinstance(event, Started):
            self._doing = self._sentences.get(event.id, "")
        elif isinstance(event, Finished):
            for row in self._marks.values():
                if event.result.id in row:
                    row[event.result.id] = event.result.outcome

    def draw(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        rows = Table.grid(padding=(0, 1))
        rows.add_column(no_wrap=True, min_width=LABEL_CHARS)
        rows.add_column(no_wrap=True, overflow="ellipsis")
        for category, marks in self._marks.items():
            line = Text()
            for outcome in marks.values():
                line.append(SYMBOLS[outcome] if outcome else "·", COLOURS[outcome] if outcome else "dim")
            rows.add_row(Text(f"  {category}", "dim"), line)
        seconds = time.monotonic() - self._began
        self._spinner.update(text=Text(f"{self._progress()} {seconds:.0f} s"))
        rows.add_row(self._spinner, Text(self._doing, "italic"))
        return rows

    def _progress(self) -> str:
        marks = [outcome for row in self._marks.values() for outcome in row.values()]
        return f"{sum(outcome is not None for outcome in marks)}/{len(marks)}" if marks else ""


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
