"""How the command line speaks: colours, complaints, notices, and a line of progress that replaces itself."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

INDENT = "  "
HANGING = "      "
PRACTICE = "* for practice: made where nothing is isolated"


def colourless() -> bool:
    """Whether the user asked for no colours (https://no-color.org), or the terminal can't show any."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def printable(text: str) -> str:
    """The text with what could steer a terminal escaped; line ends stay."""
    from kata.report.text import visible

    return visible(text)


def echo(text: str = "", *, err: bool = False, newline: bool = True) -> None:
    """Print styled text, without its colours where they can't be shown or aren't wanted."""
    click.echo(text, err=err, nl=newline, color=False if colourless() else None)


def style(text: str, colour: str | None = None, **attributes: Any) -> str:
    """The text with a colour; `echo` takes it off again where it can't be shown."""
    return click.style(text, fg=colour, **attributes)


def dim(text: str) -> str:
    """The text less bright, for what matters less."""
    return click.style(text, dim=True)


def complain(message: str, remedy: str = "") -> None:
    """Say on stderr what was wrong, and on lines below it what to do next."""
    echo(f"{style('kata:', 'red', bold=True)} {_hanging(message)}", err=True)
    if remedy:
        echo(f"{HANGING}{_hanging(remedy)}", err=True)


def notice(text: str) -> None:
    """Say on stderr what a person should know, though it stops nothing."""
    echo(f"{style('kata:', 'yellow')} {_hanging(text)}", err=True)


def _hanging(text: str) -> str:
    """The text to stand behind `kata: `; on a terminal it is wrapped at words."""
    lines = printable(text).splitlines()
    if sys.stderr.isatty():
        from textwrap import TextWrapper

        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        wrapper = TextWrapper(max(20, columns - len(HANGING)), break_long_words=False, break_on_hyphens=False)
        lines = [part for line in lines for part in wrapper.wrap(line)]
    return f"\n{HANGING}".join(lines)


def show_markdown(text: str) -> None:
    """Print Markdown, indented: drawn on a terminal, and as it was written elsewhere."""
    if not sys.stdout.isatty():
        from textwrap import indent

        echo(indent(text, INDENT))
        return
    from rich.markdown import Markdown
    from rich.padding import Padding

    rich_console().print(Padding(Markdown(text), (0, len(INDENT))))


def rich_console(*, err: bool = False) -> Console:
    """A rich console that honours NO_COLOR wholly: without bold and dim, too."""
    from rich.console import Console

    return Console(stderr=err, color_system=None if colourless() else "auto", highlight=False)


def short(path: Path) -> str:
    """A path as one would type it: from here when it is below here, else from the home folder."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_absolute() and path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


class Ticker:
    """Lines of progress on stderr: on a terminal each replaces the one before it, elsewhere each is printed.

    Elsewhere, lines that come sooner than `pause_seconds` after the one before are left out.
    """

    def __init__(self, *, quiet: bool = False, pause_seconds: float = 0.0) -> None:
        self._quiet = quiet
        self._pause_seconds = pause_seconds
        self._next_at = 0.0
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = False

    def __call__(self, line: str) -> None:
        if self._quiet:
            return
        if not self._live:
            if time.monotonic() >= self._next_at:
                echo(printable(line), err=True)
                self._next_at = time.monotonic() + self._pause_seconds
            return
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        cut = printable(line).replace("\n", " ")[: columns - 3]
        sys.stderr.write(f"\r\x1b[K  {cut}")
        sys.stderr.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away again."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
