"""The faces that go into files, by name."""

from __future__ import annotations

from collections.abc import Callable

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


def _github(report: Report) -> bytes:
    from kata.report.github import github

    return github(report)


FACES: dict[str, Face] = {
    "json": _json,
    "html": _html,
    "junit": _junit,
    "gradescope": _gradescope,
    "check50": _check50,
    "markdown": _markdown,
    "github": _github,
}
"""Each takes a report and gives the bytes of a whole file; what a face needs is imported when it is drawn."""
