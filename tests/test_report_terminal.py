"""The report on a terminal."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import pytest
import reports
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from kata.report import terminal
from kata.report.model import Report, from_json, to_json
from kata.report.text import encodable

SAMPLES = pytest.mark.parametrize("name", reports.ALL)
WIDTHS = pytest.mark.parametrize("width", [60, 80, 120])
ANY = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(reports.HOSTILE)


def shown(report: Report, width: int = 80, **console: Any) -> str:
    file = io.StringIO()
    terminal.render(report, Console(file=file, width=width, **console))
    return file.getvalue()


@SAMPLES
@WIDTHS
def test_it_fits_and_leaves_no_spaces_behind(name: str, width: int) -> None:
    for row in shown(reports.ALL[name](), width).splitlines():
        assert cell_len(row) <= width
        assert row == row.rstrip()


@SAMPLES
def test_the_same_from_its_json_alone(name: str) -> None:
    report = encodable(reports.ALL[name]())
    assert shown(from_json(to_json(report))) == shown(report)


def test_a_failed_check_shows_its_transcript() -> None:
    page = shown(reports.unmet())
    for row in (
        "✗ A value is served for at most its TTL.                                     0/8",
        "    t=0 s   cache = CacheAside(store, ttl=60, capacity=100)",
        "    t=0 s   cache.get('ada')  → b'v1'  1 read",
        "    t=0 s   store holds 'ada' = b'v2'",
        "    t=60 s  cache.get('ada')  → b'v1'  expected b'v2'",
        "  kata check 15 --seed 4711 --only fresh    replays this run exactly",
        "  kata hint 15 fresh                        shows the next hint",
        "              … 194 lines left out …",
        "    cache_aside.py:27 in get",
        "        value = await self._load(key)",
        "    │ miss ada",
    ):
        assert row in page.splitlines()


def test_the_foot_tells_how_it_was_run() -> None:
    page = shown(reports.unmet(), 120)
    assert "97.5 % (39 of 40 calls answered while faults were on)" in page
    assert "99.9 % (1203 of 1204 answers right)" in page
    assert "cache_aside.py: lines 12–15, 31 (5 of 63 statements; costs are measured without looking)" in page
    assert "submission 0f1e2d3c0f1e · exercise a1b2c3d4a1b2 · grader 9a8b7c6d9a8b" in page
    assert "graded in docker; isolates files, memory, network, processes, resources" in page


def test_points_stand_at_the_right_margin() -> None:
    rows = [row for row in shown(reports.unmet(), 100).splitlines() if row[:1] in set("✓✗–") and "/100" not in row]
    assert len(rows) == 9
    assert {cell_len(row) for row in rows} == {100}


def test_a_practice_score_is_never_shown_as_a_graded_one() -> None:
    page = shown(reports.practice(), 120)
    assert "54/100  unmet: not every requirement is met  practice only" in page
    assert "practice only: isolates nothing but crashes and resources" in page
    assert "graded in" not in page
    brief = io.StringIO()
    terminal.render_brief(reports.practice(), Console(file=brief, width=100))
    assert brief.getvalue() == "✗ 54/100  unmet: not every requirement is met  practice only\n"


def test_what_was_our_fault_is_said_to_be_no_fault_of_the_student() -> None:
    page = shown(reports.inconclusive())
    assert "This is not your fault" in page
    assert re.search(r"^\? The cost of a hit is flat\. +\?/15$", page, re.MULTILINE)


def test_a_run_that_could_not_be_graded_says_why_before_all_else() -> None:
    page = shown(reports.load_problem())
    assert page.index("'(' was never closed") < page.index("Correctness")
    assert "cache_aside.py:17" in page
    assert "kata hint" not in page


def test_a_failure_that_was_shown_is_not_shown_at_length_again() -> None:
    again = msgspec.structs.replace(reports.STALE, id="other", text="Another sentence.")
    report = reports.Builder().add("fresh", "correctness", "Fresh.", reports.STALE, again).report()
    assert shown(report).count("Look next") == 1
    assert "as above" in shown(report)


def test_a_wrong_answer_that_came_about_differently_is_shown_in_full() -> None:
    again = msgspec.structs.replace(reports.STALE, id="other", transcript=reports.STALE.transcript[1:])
    report = reports.Builder().add("fresh", "correctness", "Fresh.", reports.STALE, again).report()
    assert "as above" not in shown(report)


def test_without_colours_the_same_characters_are_shown() -> None:
    report = reports.unmet()
    coloured = shown(report, force_terminal=True, color_system="truecolor", no_color=False)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == shown(report)


def test_a_terminal_without_unicode_is_served_too() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    terminal.render(reports.hostile_everywhere(), Console(file=file, width=80))
    file.flush()
    assert b"x 54/100" in raw.getvalue()


@given(st.lists(ANY, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_hostile_text_does_nothing(texts: list[str]) -> None:
    page = shown(reports.hostile(*texts))
    page.encode()
    assert not [char for char in page if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_markup_in_hostile_text_is_not_interpreted() -> None:
    attack = "[bold red]100/100[/] :smile: [link=https://evil.example]x[/link]"
    page = shown(reports.hostile(attack), 200, force_terminal=True, color_system="truecolor", no_color=False)
    assert attack in page
    assert "\x1b]8" not in page


def test_what_was_printed_can_start_no_line() -> None:
    output = "::error file=a.py::owned\n✓ A hit asks nothing of the store. 16/16\n" + "x" * 300
    check = reports.STALE.__class__(
        id="c", text="Sentence.", outcome="unmet", failure=reports.STALE.failure, output=output
    )
    page = shown(reports.Builder().add("fresh", "correctness", "Fresh.", check).report())
    rows = [row for row in page.splitlines() if "owned" in row or "16/16" in row or "xxx" in row]
    assert len(rows) >= 6
    assert all(row.startswith("    │ ") for row in rows)


@WIDTHS
def test_nothing_commands_a_ci_service(width: int) -> None:
    attack = "::error file=a.py::owned\n::add-mask::a ##[group]owned ##vso[task.complete] [::2] ::1"
    page = shown(reports.hostile(attack), width)
    assert "\\x3a:error" in page
    assert "[::2] ::1" in page
    assert not re.search(r"^\s*::[A-Za-z]|##\w*\[", page, re.MULTILINE)


def test_a_flood_of_output_is_cut() -> None:
    check = reports.passed("c", "Sentence.", outcome="unmet", output="x" * 60_000 + "\n" + "y\n" * 5000)
    rows = shown(reports.Builder().add("fresh", "correctness", "Fresh.", check).report(output="z\n" * 99)).splitlines()
    assert len(rows) < 100
    assert "    … 4981 more lines, in the other formats …" in rows
    assert "… 79 more lines, in the other formats …" in rows


def test_a_terminal_needs_no_templates() -> None:
    code = (
        "import sys\n"
        "import kata.report.faces, kata.report.terminal\n"
        "print(sorted({'jinja2', 'markdown_it', 'pygments', 'xml.etree.ElementTree'} & set(sys.modules)))\n"
    )
    root = Path(__file__).parent.parent
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert result.stdout == "[]\n"


def test_only_the_first_of_many_that_print_is_shown_at_length() -> None:
    printing = [
        reports.passed(name, f"Sentence {name}.", outcome="unmet", output="".join(f"{name}{n}\n" for n in range(30)))
        for name in "abc"
    ]
    page = shown(reports.Builder().add("fresh", "correctness", "Fresh.", *printing).report())
    assert [page.count(f"│ {name}") for name in "abc"] == [20, 3, 3]
    assert page.count("… 10 more lines, in the other formats …") == 1
    assert page.count("… 27 more lines, in the other formats …") == 2
