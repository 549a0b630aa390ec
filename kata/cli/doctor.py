"""`kata doctor`: what this machine offers, what will be used, and how to get more."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kata import __version__
from kata.cli.console import Ticker, dim, echo, printable, short, style
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET

if TYPE_CHECKING:
    from kata.sandbox import Offer


@click.command()
def command() -> int:
    """Say what this machine offers, and what will be used.

    An arrow shows how to get more. Exits with 3 when no sandbox can be had at all.
    """
    from kata.sandbox.choose import survey

    ticker = Ticker(quiet=not sys.stderr.isatty())
    ticker("Looking around …")
    offers = survey()
    ticker.clear()
    _show_versions()
    echo()
    for offer in offers:
        _show_offer(offer)
    return _show_choice(offers)


def _show_versions() -> None:
    from kata.catalog import Catalog, content_root
    from kata.report.text import plural
    from kata.workspace import state_folder

    rows = {
        "kata": f"{__version__}, {plural(len(Catalog().ids()), 'exercise')} in {short(content_root())}",
        "python": f"{platform.python_version()}, {short(Path(sys.executable))}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}{_note_on_system()}",
        "state": short(state_folder()),
    }
    for label, value in rows.items():
        echo(f"{dim(f'{label:<8}')}{printable(value)}")


def _note_on_system() -> str:
    if sys.platform == "darwin":
        return " (macOS: docker through Docker Desktop, or else process; there is no bubblewrap)"
    if "microsoft" in platform.release().lower():
        return " (WSL: docker works once Docker Desktop's WSL integration is on; bubblewrap as on Linux)"
    return ""


def _show_offer(offer: Offer) -> None:
    mark = style("✓", "green") if offer.available else style("✗", "red")
    echo(f"{mark} {style(f'{offer.name:<10}', bold=True)}  {printable(offer.summary)}")
    for label, value in offer.facts:
        echo(f"              {dim(printable(label))} {printable(value)}")
    for line in printable(offer.remedy).splitlines():
        echo(f"              {style('→', 'cyan')} {line}")
    echo()


def _show_choice(offers: list[Offer]) -> int:
    chosen = next((offer.name for offer in offers if offer.available), None)
    if chosen is None:
        echo("No sandbox can be had here, so nothing can be checked. The arrows above show ways to get one.")
        return EXIT_INCONCLUSIVE
    echo(f"`kata check` uses {style(chosen, bold=True)}, unless --sandbox says otherwise.")
    if chosen == "process":
        echo("That isolates nothing but crashes and resources: fine for your own code, not for grades.")
    return EXIT_MET
