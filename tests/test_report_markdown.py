"""The report as Markdown, parsed with markdown-it (which rich brings)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import reports
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from kata.report.markdown import fenced, markdown, sentence, span
from kata.report.model import from_json, to_json
from kata.report.text import encodable, line

ANY = st.text(st.characters(exclude_categories=()), max_size=200) | st.sampled_from(reports.HOSTILE)
MARKS = st.text("`|\\ \n~*_[]()<>!#@$&ab:/.w", max_size=40)
PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def tokens(source: str) -> Iterator[Token]:
    for token in PARSER.parse(source):
        yield token
        yield from token.children or ()


@pytest.mark.parametrize("name", reports.ALL)
def test_the_same_from_its_json_alone(name: str) -> None:
    report = encodable(reports.ALL[name]())
    assert markdown(from_json(to_json(report))) == markdown(report)


def test_it_shows_what_matters() -> None:
    page = markdown(reports.unmet()).decode()
    assert page.startswith("## ✗ 54/100: Cache-aside with a TTL\n")
    assert "| ✗ | A value is served for at most its TTL. | correctness | 0/8 |" in page
    assert "t=60 s  cache.get('ada')  → b'v1'  expected b'v2'" in page
    assert "`kata check 15 --seed 4711 --only fresh`" in page


def test_a_practice_score_says_so() -> None:
    page = markdown(reports.practice()).decode()
    assert page.startswith("## ✗ 54/100 (practice only)")
    assert "This is not a grade" in page


@given(st.lists(ANY | MARKS, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_hostile_text_stays_in_code(texts: list[str]) -> None:
    found = list(tokens(markdown(reports.hostile(*texts)).decode()))
    kinds = {token.type for token in found}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "hr",
        "s_open",
        "em_open",
        "code_block",
    }
    harmless = ["word" if line(each) else "" for each in texts]
    benign = list(tokens(markdown(reports.hostile(*harmless)).decode()))
    for kind in (
        "tr_open",
        "td_open",
        "heading_open",
        "table_open",
        "bullet_list_open",
        "blockquote_open",
        "fence",
    ):
        assert sum(each.type == kind for each in found) == sum(each.type == kind for each in benign), kind
    for token in found:
        if token.type == "text":
            assert not set(token.content) & set("@<>[]#*_`$|~\\")


@given(MARKS | ANY)
def test_a_span_holds_its_whole_text_in_a_cell(value: str) -> None:
    rows = f"| a | b |\n| --- | --- |\n| {span(value)} | end |\n"
    cells = [token for token in tokens(rows) if token.type == "inline"]
    assert len(cells) == 4
    assert [child.type for child in cells[2].children or ()] == ["code_inline"]
    shown = (cells[2].children or [])[0].content
    assert shown.strip().replace("¦", "|") == line(value).strip().replace("¦", "|")


@given(MARKS | ANY)
def test_a_fence_holds_its_whole_text(value: str) -> None:
    shown = "\n".join(line(row) for row in value.split("\n"))
    found = list(tokens(f"before\n\n{fenced(shown)}\n\nafter\n"))
    assert [each.content for each in found if each.type == "fence"] == [shown + "\n"]
    assert found[-2].content == "after"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A hit asks nothing of the store: 100 misses, 1/2 (or less).", None),
        ("`get` gives what `a|b` holds.", "`get` gives what `a\\|b` holds."),
        ("mail @everyone", "`mail @everyone`"),
        ("see #1", "`see #1`"),
        ("see www.evil.example", "`see www.evil.example`"),
        ("see https://evil.example", "`see https://evil.example`"),
        ("an odd ` backquote", "``an odd ` backquote``"),
        ("commit 0123abcd", "`commit 0123abcd`"),
    ],
)
def test_a_sentence_is_prose_only_when_it_can_be_nothing_else(text: str, shown: str | None) -> None:
    assert sentence(text) == (shown or text)
