"""The report as a page: read with an HTML parser, and looked at in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import reports
from browser import Browser, browser
from hypothesis import given, settings
from hypothesis import strategies as st

from kata.report.html import environment, html, source_hash
from kata.report.model import Report, from_json, to_json
from kata.report.text import encodable

SAMPLES = pytest.mark.parametrize("name", reports.ALL)
ANY = st.text(st.characters(exclude_categories=()), max_size=200) | st.sampled_from(reports.HOSTILE)


class Page(HTMLParser):
    """The elements of a page in order, with their attributes; each must be closed where it should be."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.declarations: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def outline(self) -> list[tuple[str, tuple[str, ...]]]:
        """What the template made: tags and the names of their attributes. `code` in a sentence is ours."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements if (tag, attributes) != ("code", {})]


def page(report: Report) -> Page:
    return Page(html(report).decode())


@SAMPLES
def test_every_element_is_closed(name: str) -> None:
    assert page(reports.ALL[name]()).open == []


@SAMPLES
def test_the_same_from_its_json_alone(name: str) -> None:
    report = encodable(reports.ALL[name]())
    assert html(from_json(to_json(report))) == html(report)


@SAMPLES
def test_it_needs_nothing_else_and_can_run_nothing(name: str) -> None:
    made = page(reports.ALL[name]())
    tags = {tag for tag, _ in made.elements}
    assert not tags & {
        "script",
        "a",
        "img",
        "iframe",
        "link",
        "object",
        "embed",
        "form",
        "base",
        "use",
        "image",
    }
    attributes = {key for _, found in made.elements for key in found}
    assert not {key for key in attributes if key.startswith("on")} | attributes & {
        "src",
        "href",
        "style",
        "srcdoc",
    }


def test_the_policy_allows_its_own_style_sheet_and_nothing_else() -> None:
    source = html(reports.unmet()).decode()
    style = re.search("<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    policy = next(found["content"] for tag, found in page(reports.unmet()).elements if "http-equiv" in found)
    assert policy == (f"default-src 'none'; style-src '{source_hash(style[1])}'; base-uri 'none'; form-action 'none'")
    assert "url(" not in style[1]
    assert "@import" not in style[1]


@given(st.lists(ANY, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_hostile_text_makes_no_element(texts: list[str]) -> None:
    harmless = [re.sub(r"[^\n]", "abcdef"[texts.index(each)], each) for each in texts]
    assert page(reports.hostile(*texts)).outline() == page(reports.hostile(*harmless)).outline()


def test_everything_unseen_is_shown_as_an_escape() -> None:
    source = html(reports.hostile("\x1b[31m\u202e\u200b\ud800")).decode()
    assert "\\x1b[31m\\u202e\\u200b\\ud800" in source
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202e]", source)


def test_a_template_shows_nothing_as_it_is_even_if_it_forgets_to_ask() -> None:
    shown = environment().from_string("<p title='{{ value }}'>{{ value }}</p>").render(value="<b>'\x1b\u202e")
    assert shown == "<p title='{0}'>{0}</p>".format("&lt;b&gt;&#39;\\x1b\\u202e")


def test_a_practice_page_never_looks_like_a_graded_one() -> None:
    source = html(reports.practice()).decode()
    assert "A practice run, not a grade." in source
    assert "<title>54/100 (practice only)" in source
    assert '<body class="practice">' in source
    assert "Graded in" not in source
    assert "practice" not in re.sub("<style>.*</style>", "", html(reports.unmet()).decode(), flags=re.DOTALL)


def test_a_run_of_several_processes_is_drawn_in_lanes() -> None:
    assert html(reports.unmet()).decode().count('class="lanes"') == 1


def test_headings_descend_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in page(reports.unmet()).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def opened(
    chromium: Browser, folder: Path, name: str, *, width: int = 1280, dark: bool = False, media: str = ""
) -> None:
    path = folder / f"{name}.html"
    path.write_bytes(html(reports.ALL[name]()))
    chromium.open(path, width=width, dark=dark, media=media)


@pytest.mark.browser
@SAMPLES
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_never_needs_scrolling_sideways(chromium: Browser, tmp_path: Path, name: str, width: int) -> None:
    opened(chromium, tmp_path, name, width=width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    wide = """[...document.querySelectorAll('main *')].filter(each =>
        each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll'))
        .map(each => each.outerHTML)"""
    assert chromium.evaluate(wide) == []


@pytest.mark.browser
def test_hostile_text_runs_nothing_and_asks_for_nothing(chromium: Browser, tmp_path: Path) -> None:
    opened(chromium, tmp_path, "hostile")
    assert chromium.evaluate("document.title").startswith("54/100 · ")
    assert chromium.evaluate("document.scripts.length + document.images.length + document.links.length") == 0
    asked = [
        each["params"]["request"]["url"] for each in chromium.events if each["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) == 1
    assert [each for each in chromium.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []


CONTRAST = """(() => {
  const parse = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => colour.slice(0, 3).map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = each => {
    for (; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const each = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || each.tagName === 'title') continue;
    const style = getComputedStyle(each);
    const ink = light(parse(each.closest('svg') ? style.fill : style.color));
    const [a, b] = [ink, light(behind(each))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push([((a + 0.05) / (b + 0.05)).toFixed(2), each.outerHTML]);
  }
  return poor;
})()"""


@pytest.mark.browser
@SAMPLES
@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_by_weak_eyes(chromium: Browser, tmp_path: Path, name: str, dark: bool) -> None:
    opened(chromium, tmp_path, name, dark=dark)
    assert chromium.evaluate(CONTRAST) == [], "WCAG AA asks for a contrast of 4.5."


@pytest.mark.browser
def test_what_is_folded_is_printed(chromium: Browser, tmp_path: Path) -> None:
    opened(chromium, tmp_path, "unmet", media="print")
    hidden = """[...document.querySelectorAll('details:not([open]) > :not(summary)')]
        .filter(each => !each.checkVisibility({contentVisibilityAuto: true})
            || each.getBoundingClientRect().height < 5).length"""
    assert chromium.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    assert chromium.evaluate(hidden) == 0
    assert chromium.pdf().startswith(b"%PDF")
