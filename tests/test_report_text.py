"""Hostile text made visible, and numbers made short."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import hostile

from kata.report import text
from kata.report.model import from_json, to_json

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain, with ünïcode 漢字", "plain, with ünïcode 漢字"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\rb"),
        ("\u202egnp.exe\u2069", "\\u202egnp.exe\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\x00\x7f\ufffe", "\\x00\\x7f\\ufffe"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("e\u0323\u0302 \u0e19\u0e49\u0e33", "e\u0323\u0302 \u0e19\u0e49\u0e33"),
        ("e" + "\u0301\u20dd" * 3, "e" + "\u0301\u20dd" * 2 + "\\u0301\\u20dd"),
    ],
)
def test_what_is_unseen_becomes_an_escape(raw: str, shown: str) -> None:
    assert text.visible(raw) == shown


@given(ANY)
def test_nothing_unseen_remains(raw: str) -> None:
    shown = text.line(raw)
    shown.encode()
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(ANY)
def test_what_was_made_visible_stays_as_it_is(raw: str) -> None:
    assert text.line(text.line(raw)) == text.line(raw)
    assert text.block(text.block(raw)) == text.block(raw)


def test_a_block_keeps_its_lines() -> None:
    assert text.block("\n\ta\r\nb\rc\n\n") == "    a\nb\\rc"


def test_a_report_with_lone_surrogates_can_still_be_encoded() -> None:
    report = text.encodable(hostile("a\ud800b"))
    assert report.submission.name == "a\\ud800b"
    assert from_json(to_json(report)) == report


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 s"), (60, "60 s"), (0.25, "0.25 s"), (86400.0, "86400 s"), (1e-9, "0 s"), (1e300, "1e+300 s")],
)
def test_seconds(value: float, shown: str) -> None:
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100 %"), (0.9999, "99.9 %"), (0.975, "97.5 %"), (0.5, "50 %"), (0.29, "29 %"), (0.0, "0 %")],
)
def test_only_all_of_them_is_a_hundred_percent(share: float, shown: str) -> None:
    assert text.percent(share) == shown


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [([], ""), ([7], "7"), ([12, 13, 14, 15, 31], "12–15, 31"), ([3, 1, 2, 2], "1–3"), ([1, 3], "1, 3")],
)
def test_ranges(numbers: list[int], shown: str) -> None:
    assert text.ranges(numbers) == shown


def test_a_digest_is_short() -> None:
    assert text.digest("sha256:" + "ab" * 32) == "abababababab"
