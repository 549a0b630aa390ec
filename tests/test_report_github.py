"""The report as annotations, read back by the rules of GitHub's runner."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import reports
from hypothesis import given, settings
from hypothesis import strategies as st

from kata.report.github import github
from kata.report.model import Report

ANY = st.text(st.characters(exclude_categories=()), max_size=200) | st.sampled_from(reports.HOSTILE)


class Annotation(NamedTuple):
    level: str
    properties: dict[str, str]
    message: str


def unescaped(value: str) -> str:
    return re.sub("%(0D|0A|3A|2C|25)", lambda found: chr(int(found[1], 16)), value)


def annotations(report: Report) -> list[Annotation]:
    """All that the runner would make of it; every line must be a command."""
    found = []
    for line in github(report).decode().removesuffix("\n").split("\n"):
        match = re.fullmatch(r"::(notice|warning|error) ([^:\r]*)::([^\r]*)", line)
        assert match, line
        pairs = [pair.partition("=") for pair in match[2].split(",")]
        properties = {name: unescaped(value) for name, _, value in pairs}
        assert set(properties) <= {"title", "file", "line"}
        found.append(Annotation(match[1], properties, unescaped(match[3])))
    return found


def test_each_unmet_requirement_is_an_error() -> None:
    report = reports.unmet()
    score, *errors = annotations(report)
    assert score.level == "notice"
    assert score.message.endswith(": 54/100, unmet: not every requirement is met")
    unmet = [each for each in report.requirements if each.outcome == "unmet"]
    assert [each.properties["title"].split()[0] for each in errors] == [each.id for each in unmet]
    assert {each.level for each in errors} == {"error"}
    assert all(each.message.strip() for each in errors)


def test_a_place_is_named_as_seen_from_the_repository() -> None:
    [_, error] = annotations(reports.load_problem())
    place = reports.load_problem().problem.places[-1]
    assert error.properties["line"] == str(place.line)
    assert error.properties["file"].endswith(place.file)


def test_our_fault_is_no_error() -> None:
    [_, warning] = annotations(reports.sandbox_died())
    assert warning.level == "warning"
    assert {each.level for each in annotations(reports.inconclusive())} == {"notice", "warning"}


def test_what_is_met_is_a_notice_alone() -> None:
    assert [each.level for each in annotations(reports.met())] == ["notice"]


@pytest.mark.parametrize("level", ["::error::", "::add-mask::x", "a%0A::error::b", "\r\n::stop-commands::x"])
def test_no_command_can_be_made_of_values(level: str) -> None:
    assert annotations(reports.hostile(level, level))


@given(texts=st.lists(ANY, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_hostile_text_stays_in_its_line(texts: list[str]) -> None:
    assert len(annotations(reports.hostile(*texts))) == len(annotations(reports.hostile("word")))
