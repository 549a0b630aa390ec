"""The faces that go into files: their names, and writing one so that a reader never meets half of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kata.errors import UsageError
from kata.report import text
from kata.report.model import Report, to_json

Face = Callable[[Report], bytes]


def _json(report: Report) -> bytes:
    return to_json(text.encodable(report))


def _html(report: Report) -> bytes:
    from kata.report.html import html

    return html(report)


def _junit(report: Report) -> bytes:
    from kata.report.junit import junit

    return junit(report)


def _gradescope(report: Report) -> bytes:
    from kata.report.gradescope import gradescope

    return gradescope(report)


def _check50(report: Report) -> bytes:
    from kata.report.check50 import check50

    return check50(report)


def _markdown(report: Report) -> bytes:
    from kata.report.markdown import markdown

    return markdown(report)


FACES: dict[str, Face] = {
    "json": _json,
    "html": _html,
    "junit": _junit,
    "gradescope": _gradescope,
    "check50": _check50,
    "markdown": _markdown,
}
"""Each takes a report and gives the bytes of a whole file; what a face needs is imported when it is drawn."""


def write(report: Report, format: str, path: Path) -> None:
    """Write the report's face of that name to the path, whole or not at all.

    What stands there is replaced; a device or a pipe is written to. Raises UsageError when there is no such
    face, or when the path can't be written.
    """
    face = FACES.get(format)
    if face is None:
        raise UsageError(f"There is no report format {format!r}.", f"Use one of: {', '.join(FACES)}.")
    data = face(report)
    try:
        _replace(path, data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"The report can't be written to {text.line(str(path))}: {reason}.",
            "Name a file in a folder that exists and that you may write to.",
        ) from None


def _replace(path: Path, data: bytes) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(data)
        return
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    fresh = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        fresh.write_bytes(data)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
