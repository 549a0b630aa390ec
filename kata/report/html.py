"""The report as one HTML file that needs nothing else: no script, no link, no request.

Its Content-Security-Policy allows nothing but the one style sheet that it carries (by hash), so even markup
that slipped through could do nothing. What varies in a drawing (bars, dial, lanes) is SVG geometry: inline
styles are forbidden too.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kata.report import text, words
from kata.report.lanes import lanes
from kata.report.model import Report

TEMPLATES = Path(__file__).parent / "templates"


def html(report: Report) -> bytes:
    """The page as UTF-8."""
    page = environment().get_template("report.html.j2").render(report=report)
    return page.encode()


def source_hash(source: str) -> str:
    """The Content-Security-Policy source that allows exactly this style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def environment() -> Environment:
    """What templates are read and drawn with: everything that they show is made visible, then escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    sheet = Markup(style)  # noqa: S704 (our own file; quoted, it would be another style sheet)
    environment.globals.update(words=words, text=text, lanes=lanes, style=sheet, source_hash=source_hash(style))
    environment.filters.update(prose=prose, percent_of=percent_of)
    return environment


def _finalize(value: object) -> object:
    """Applied by Jinja2 to whatever a template shows, before it escapes it."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def prose(sentence: str) -> Markup:
    """A sentence on one line, what it has in backquotes as code."""
    parts = text.line(sentence).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape(text.line(sentence))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else Markup.escape(part) for index, part in enumerate(parts)
    )


def percent_of(part: float, whole: float) -> str:
    """The share as a length for SVG, from 0 to 100."""
    return f"{min(100.0, max(0.0, 100 * part / whole)) if whole else 0:.2f}"
