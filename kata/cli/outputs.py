"""`--report FORMAT=FILE`: the faces of a report, written to files."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem

from kata.errors import UsageError
from kata.workspace import write_atomically

if TYPE_CHECKING:
    from kata.report.model import Report

OUTPUT_HELP = (
    "Write the report to FILE (- is stdout) as json, html, junit, gradescope, check50, markdown or github. "
    "May be given several times."
)


class Output(NamedTuple):
    format: str
    file: str
    """A path, or - for stdout."""


def complete_output(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`FORMAT=`, and after it a file."""
    from kata.report.faces import FACES

    if "=" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(f"{name}=") for name in FACES if name.startswith(incomplete)]


def parse_outputs(values: tuple[str, ...]) -> list[Output]:
    """Read the options' values. Raises UsageError for what could not be written later."""
    return [_parse(value) for value in values]


def _parse(value: str) -> Output:
    from kata.report.faces import FACES

    name, equals, file = value.partition("=")
    if not equals or not file:
        raise UsageError(
            f"--report {value} doesn't say what to write where.", "Write it like --report json=report.json."
        )
    if name not in FACES:
        near = get_close_matches(name, list(FACES), n=1)
        suggestion = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"{name!r} is no format of a report.", f"{suggestion}There are {', '.join(FACES)}.")
    # Unlike Path.is_dir, os.path's takes any name.
    if file != "-" and (os.path.isdir(file) or not os.path.isdir(os.path.dirname(os.path.abspath(file)))):
        what = "is a folder" if os.path.isdir(file) else "lies in a folder that doesn't exist"
        raise UsageError(f"--report {value}: {file} {what}.", "Name a file in a folder that exists.")
    return Output(name, file)


def write_outputs(report: Report, outputs: list[Output]) -> None:
    """Draw each face and write it. Raises UsageError when a file can't be written."""
    from kata.report.faces import FACES

    for output in outputs:
        data = FACES[output.format](report)
        if output.file == "-":
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            continue
        try:
            _write(Path(output.file), data)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"{output.file} can't be written: {reason}.",
                f"`kata report {report.exercise.id} --report {output.format}=FILE` writes it elsewhere.",
            ) from error


def _write(path: Path, data: bytes) -> None:
    target = Path(os.path.realpath(path))
    if os.path.exists(target) and not target.is_file():
        # A pipe or /dev/stdout can be written to, but not replaced.
        target.write_bytes(data)
    else:
        write_atomically(target, data)
