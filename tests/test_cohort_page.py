"""The cohort's page: what it says, that nothing in it can run, and that it can be sorted, filtered and searched."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import reports
from browser import Browser, browser
from test_report_html import CONTRAST, Page

from kata.cohort.model import Cause, Cohort, ExerciseColumn, Mark, MarkState, Person, Trouble
from kata.cohort.page import page
from kata.exercise import CATEGORIES, Requirement

NAMES = ("Ada King", "Bob Poe", "Cyd Roe", "Dan Low", "Eve Zed")


def exercises(count: int, requirements: int = 12) -> tuple[ExerciseColumn, ...]:
    """Exercises of 100 points or a few more, `01-topic` and so on."""
    asked = tuple(
        Requirement(
            id=f"wanted-{n}",
            category=CATEGORIES[n % 3],
            points=-(-100 // requirements),
            text=f"What is wanted under {n} always holds, whatever `else` happens.",
        )
        for n in range(requirements)
    )
    return tuple(
        ExerciseColumn(id=f"{n:02}-topic", title=f"Topic {n}", digest="d", grader_digest="g", requirements=asked)
        for n in range(1, count + 1)
    )


def mark(person: str, exercise: ExerciseColumn, chance: random.Random) -> Mark:
    """Any mark that a real run could give."""
    state: MarkState = chance.choices(("graded", "missing", "inconclusive", "unreadable", "waiting"), (90, 6, 1, 2, 1))[
        0
    ]
    if state != "graded":
        note = "An archive that is none." if state == "unreadable" else ""
        return Mark(person=person, exercise=exercise.id, state=state, note=note)
    skill = chance.random()
    outcomes = {
        each.id: "met" if chance.random() < skill else chance.choice(("unmet", "unmet", "skipped"))
        for each in exercise.requirements
    }
    score = sum(each.points for each in exercise.requirements if outcomes[each.id] == "met")
    late = chance.random() < 0.1
    return Mark(person=person, exercise=exercise.id, state=state, score=score, outcomes=outcomes, late=late)


def simulated(people: int, count: int, seed: int = 20261) -> Cohort:
    """A cohort of so many people and exercises."""
    chance = random.Random(seed)
    columns = exercises(count)
    everybody = tuple(Person(id=f"p{n:05}", name=f"{NAMES[n % 5]} {n // 5}".removesuffix(" 0")) for n in range(people))
    marks = tuple(mark(person.id, column, chance) for person in everybody for column in columns)
    return Cohort(exercises=columns, people=everybody, marks=marks, sandbox="docker", for_grades=True, seed=seed)


def drawn(cohort: Cohort, text: str = "It gave 7 for 8.") -> str:
    causes = {
        (column.id, "wanted-1"): [Cause(check="A sum is a sum.", message=text, people=3)] for column in cohort.exercises
    }
    return page(cohort, causes, [Trouble(where=text, problem="It names nobody.", remedy="")]).decode()


def hostile(text: str) -> Cohort:
    """Somebody whose id, name and notes are this text."""
    (column,) = exercises(1, 2)
    people = (Person(id=text, name=text), Person(id="b", name="b"))
    marks = (
        Mark(person=text, exercise=column.id, state="unreadable", note=text, same_as=("b",)),
        Mark(person="b", exercise=column.id, state="graded", score=50, outcomes={"wanted-0": "met"}),
    )  # fmt: skip
    return Cohort(exercises=(column,), people=people, marks=marks, sandbox="docker", for_grades=True, seed=1)


# A lone surrogate gets no further than the intake, which escapes it.
TEXTS = [text for text in reports.HOSTILE if not re.search("[\ud800-\udfff]", text)]


@pytest.mark.parametrize("text", [*TEXTS, "</script><script>alert(1)</script>", "<!--<script>", "]]>"])
def test_hostile_text_makes_no_element(text: str) -> None:
    made = Page(drawn(hostile(text), text))
    assert made.open == []
    assert made.outline() == Page(drawn(hostile("x" * len(text)), "y")).outline()


def test_it_carries_all_that_it_needs_and_its_policy_allows_no_more() -> None:
    source = drawn(simulated(3, 2))
    made = Page(source)
    policy = next(found["content"] for tag, found in made.elements if "http-equiv" in found)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'",
        policy or "",
    )
    assert [tag for tag, found in made.elements if {"src", "href", "style"} & found.keys()] == []
    assert not re.search(r"innerHTML|insertAdjacent|document\.write|eval\(|url\(|@import", source)


def test_practice_never_looks_like_grades() -> None:
    practice = msgspec.structs.replace(simulated(3, 1), for_grades=False, sandbox="process")
    assert "Practice, not grades." in drawn(practice)
    assert "<title>(practice only)" in drawn(practice)
    assert "ractice" not in re.sub("<style>.*?</style>", "", drawn(simulated(3, 1)), flags=re.DOTALL)


def test_what_people_lose_most_comes_first_with_what_they_have_in_common() -> None:
    cohort = simulated(60, 2)
    shown = re.findall(r'<p class="share">(\d+) of (\d+)</p>', drawn(cohort))
    shares = [int(lost) / int(of) for lost, of in shown]
    assert shares == sorted(shares, reverse=True)
    worst = max(
        sum(m.outcomes.get(r.id) == "unmet" for m in cohort.marks[place::2])
        / sum(m.state == "graded" for m in cohort.marks[place::2])
        for place, column in enumerate(cohort.exercises)
        for r in column.requirements
    )
    assert shares[0] == worst
    assert "A sum is a sum. <code>It gave 7 for 8.</code>" in drawn(cohort)


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def opened(chromium: Browser, folder: Path, cohort: Cohort, **how: object) -> None:
    path = folder / "index.html"
    path.write_text(drawn(cohort), "utf-8")
    chromium.open(path, **how)  # type: ignore[arg-type] # the test says how, as Browser.open takes it
    complaints = [each for each in chromium.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert complaints == []


def press(chromium: Browser, key: str) -> None:
    text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
    chromium.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
    chromium.ask("Input.dispatchKeyEvent", type="keyUp", key=key)


def choose(chromium: Browser, control: str, value: str) -> None:
    """Pick an entry of a list, as an arrow key in it would."""
    chromium.evaluate(
        f"(() => {{ const list = document.getElementById({json.dumps(control)}); list.value = {json.dumps(value)};"
        " list.dispatchEvent(new Event('change')); })()"
    )


def column(chromium: Browser, index: int) -> list[str]:
    """What the table shows in one column, of the rows in sight."""
    found = chromium.evaluate(
        f"[...document.querySelectorAll('#table tbody tr:not(.spacer)')].map(row => row.cells[{index}].textContent)"
    )
    assert isinstance(found, list)
    return found


def shown(chromium: Browser) -> str:
    return str(chromium.evaluate("document.getElementById('shown').textContent"))


@pytest.mark.browser
def test_sort_filter_and_search_by_keyboard(chromium: Browser, tmp_path: Path) -> None:
    cohort = simulated(2_000, 3)
    opened(chromium, tmp_path, cohort)
    assert shown(chromium) == "2000 of 2000 people"
    assert len(column(chromium, 0)) < 100, "rows out of sight are not made"
    assert column(chromium, 0)[0] == "Ada Kingp00000"

    press(chromium, "/")
    for letter in "zed 7":
        press(chromium, letter)
    wanted = [person for person in cohort.people if "zed 7" in person.name.lower()]
    assert shown(chromium) == f"{len(wanted)} of 2000 people"
    assert column(chromium, 0)[0] == f"{wanted[0].name}{wanted[0].id}"
    press(chromium, "Escape")
    assert shown(chromium) == "2000 of 2000 people"

    totals = sorted(
        (sum(each.score or 0 for each in cohort.marks[3 * place : 3 * place + 3]) for place in range(2_000)),
        reverse=True,
    )
    for key in ("ArrowRight", "s", "s"):
        press(chromium, key)
    assert column(chromium, 1)[:10] == [str(total) for total in totals[:10]]
    press(chromium, "End")
    assert column(chromium, 1)[-1] == str(totals[-1])

    choose(chromium, "exercise", "1")
    choose(chromium, "filter", "late")
    late = [each for each in cohort.marks[1::3] if each.late]
    assert shown(chromium) == f"{len(late)} of 2000 people"
    assert all(cell.endswith(" L") for cell in column(chromium, 1))
    choose(chromium, "filter", "missing")
    assert set(column(chromium, 1)) == {"·"}


@pytest.mark.browser
def test_requirements_can_be_told_without_colour(chromium: Browser, tmp_path: Path) -> None:
    cohort = simulated(5, 1)
    opened(chromium, tmp_path, cohort)
    (exercise,) = cohort.exercises
    signs = {"met": "✓", "unmet": "✗", "skipped": "–"}
    by_name = {person.name: each for person, each in zip(cohort.people, cohort.marks, strict=True)}
    for index, requirement in enumerate(exercise.requirements, start=2):
        expected = [signs.get(by_name[name].outcomes.get(requirement.id, ""), "") for name in sorted(by_name)]
        assert column(chromium, index) == expected


@pytest.mark.browser
def test_enter_opens_the_report(chromium: Browser, tmp_path: Path) -> None:
    cohort = simulated(5, 1)
    graded = next(place for place, each in enumerate(cohort.marks) if each.state == "graded")
    report = tmp_path / "reports/01-topic" / f"{cohort.people[graded].id}.html"
    report.parent.mkdir(parents=True)
    report.write_text("<title>the report</title>")
    opened(chromium, tmp_path, cohort)
    press(chromium, "t")
    for _ in range(graded):
        press(chromium, "ArrowDown")
    chromium.events.clear()  # that this page was loaded is among them
    press(chromium, "Enter")
    chromium.wait_for("Page.loadEventFired")
    assert chromium.evaluate("document.title") == "the report"


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("people", [5, 2_000])
def test_only_the_table_needs_scrolling_sideways(chromium: Browser, tmp_path: Path, width: int, people: int) -> None:
    opened(chromium, tmp_path, simulated(people, 27), width=width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_by_weak_eyes(chromium: Browser, tmp_path: Path, dark: bool) -> None:
    opened(chromium, tmp_path, simulated(40, 1), dark=dark)
    assert chromium.evaluate(CONTRAST) == [], "WCAG AA asks for a contrast of 4.5."


@pytest.mark.browser
def test_hostile_text_runs_nothing(chromium: Browser, tmp_path: Path) -> None:
    opened(chromium, tmp_path, hostile("</script><img src=x onerror=alert(1)>"))
    assert chromium.evaluate("document.images.length") == 0
    assert column(chromium, 0)[0] == "</script><img src=x onerror=alert(1)>"
