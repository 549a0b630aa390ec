"""`kata sandbox`: the docker sandbox's image, and what earlier runs left behind."""

from __future__ import annotations

import click

from kata.cli.console import Ticker, dim, echo, style

BYTES_PER_MB = 1_000_000


@click.group()
def command() -> None:
    """Build the sandbox image, or clean up after runs."""


@command.command()
@click.option(
    "--base",
    metavar="IMAGE",
    help="Build on this image, which needs Python 3.11 or newer; `debian` makes one of Debian's packages, "
    "where no registry can be reached. Without it: KATA_BASE_IMAGE, or the base of the last build.",
)
def build(base: str | None) -> None:
    """Build the image of the docker sandbox now.

    It is built by itself on first use, too, so this is for doing it ahead, or on another base.
    """
    from kata.sandbox import image

    ticker = Ticker()
    try:
        image.build(ticker, base)
        state = image.image_state()
    finally:
        ticker.clear()
    echo(
        f"{style('built', 'green')}  {state.tag}  "
        + dim(f"on {state.base}, Python {state.python}, {state.size_bytes / BYTES_PER_MB:.0f} MB")
    )


@command.command()
@click.option("--all", "everything", is_flag=True, help="Remove the image in use and its Debian base, too.")
def prune(everything: bool) -> None:
    """Remove what earlier runs left behind: containers of dead runs, and images of other versions of kata."""
    from kata.sandbox import image

    removed = image.prune(everything=everything)
    for name in removed:
        echo(f"{style('removed', 'green')}  {name}")
    if not removed:
        echo("There was nothing to remove.")
