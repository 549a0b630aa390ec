"""Hostile text made safe to look at, and numbers made short: one place for all faces.

What could move a cursor, reorder a line, hide, grow over other lines, or break an encoder becomes a visible escape,
written as Python would write it: `\\x1b`, `\\u202e`, `\\ud800`. Each face then quotes the result in its own syntax.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import msgspec

from kata.report.model import Report

TAB = "    "
NAME_CHARS = 12

# Unicode's control, format, surrogate and separator characters, those that draw nothing (default-ignorable),
# and the non-characters. Written out, so that every version of Python escapes the same ones.
_UNSEEN = re.compile(
    "["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad"
    r"\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)

# Marks that are drawn onto the character before them. Where one has more than any script needs, they grow over the
# lines above and below.
_MARKS = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    r"\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
MARKS_MAX = 4
_PILED = re.compile(f"(?<=[{_MARKS}]{{{MARKS_MAX}}})[{_MARKS}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return {"\r": "\\r"}.get(match[0], f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """The text with everything escaped that is not seen, or is piled onto a character; newlines and tabs stay."""
    return _PILED.sub(_escape, _UNSEEN.sub(_escape, text))


def line(text: str) -> str:
    """The text on one line: newlines and tabs are escaped too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def shortened(name: str) -> str:
    """A name on one line, cut where it would crowd out what stands beside it."""
    shown = line(name)
    return shown if len(shown) <= NAME_CHARS else shown[: NAME_CHARS - 1] + "…"


def block(text: str) -> str:
    """The text over as many lines as it has, tabs as spaces, without blank lines at its ends."""
    return visible(text.replace("\r\n", "\n")).replace("\t", TAB).strip("\n").rstrip()


def encodable(report: Report) -> Report:
    """The same report with lone surrogates escaped: what UTF-8 can't encode must not cost anyone a report."""
    return msgspec.convert(_without_surrogates(msgspec.to_builtins(report)), Report)


_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _without_surrogates(data: object) -> object:
    if isinstance(data, str):
        return _SURROGATE.sub(_escape, data)
    if isinstance(data, dict):
        return {key: _without_surrogates(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_surrogates(value) for value in data]
    return data


def digest(hexadecimal: str) -> str:
    """The first twelve digits: enough to compare by eye."""
    return line(hexadecimal.removeprefix("sha256:"))[:12]


def seconds(value: float) -> str:
    """`0.25 s`, `60 s`: at most six decimals, an exponent only when it is absurdly long."""
    if not abs(value) < 1e12:
        return f"{value:g} s"
    return f"{number(value, 6)} s"


def number(value: float, decimals: int) -> str:
    """Rounded to so many decimals, without trailing zeros."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """`99.9 %`: rounded down, so that only all of them is 100 %."""
    return f"{number(math.floor(share * 1000 + 1e-9) / 10, 1)} %"


def plural(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def ranges(numbers: Iterable[int]) -> str:
    """`12–15, 31`: sorted numbers, neighbours drawn together."""
    spans: list[list[int]] = []
    for value in sorted(set(numbers)):
        if spans and value == spans[-1][1] + 1:
            spans[-1][1] = value
        else:
            spans.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in spans)
