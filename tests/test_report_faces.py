"""The faces for machines: JSON and its schema, JUnit, Gradescope, check50."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from typing import Any

import jsonschema
import pytest
import reports
from hypothesis import given, settings
from hypothesis import strategies as st

from kata.report import text
from kata.report.faces import FACES
from kata.report.model import from_json, to_json
from kata.report.schema import PATH, schema

SAMPLES = pytest.mark.parametrize("name", reports.ALL)
ANY = st.text(st.characters(exclude_categories=()), max_size=200) | st.sampled_from(reports.HOSTILE)
FUZZ = settings(max_examples=40, deadline=None)


def drawn(face: str, name: str) -> bytes:
    return FACES[face](reports.ALL[name]())


def parsed(face: str, name: str) -> Any:
    return json.loads(drawn(face, name))


@SAMPLES
@pytest.mark.parametrize("face", FACES)
def test_every_face_is_drawn_from_the_json_alone(face: str, name: str) -> None:
    report = text.encodable(reports.ALL[name]())
    assert FACES[face](from_json(to_json(report))) == FACES[face](report)


@pytest.mark.parametrize("face", FACES)
@given(texts=st.lists(ANY, min_size=1, max_size=6))
@FUZZ
def test_hostile_text_breaks_no_face(face: str, texts: list[str]) -> None:
    FACES[face](reports.hostile(*texts)).decode()


def test_the_schema_that_users_are_given_is_the_model_s() -> None:
    if os.environ.get("KATA_UPDATE") == "1":
        PATH.write_bytes(schema())
    assert PATH.read_bytes() == schema(), "The model has changed: run this test once with KATA_UPDATE=1."


@SAMPLES
def test_json_follows_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(json.loads(schema())).validate(parsed("json", name))


def test_the_schema_refuses_what_is_no_report() -> None:
    broken = {**parsed("json", "met"), "outcome": "perfect"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(schema())).validate(broken)


# JUnit


@SAMPLES
def test_junit_counts_what_it_holds(name: str) -> None:
    root = ET.fromstring(drawn("junit", name))
    for holder in [root, *root]:
        cases = list(holder.iter("testcase"))
        assert int(holder.get("tests", "")) == len(cases)
        assert int(holder.get("failures", "")) == sum(case.find("failure") is not None for case in cases)
        assert int(holder.get("errors", "")) == sum(case.find("error") is not None for case in cases)
        assert int(holder.get("skipped", "")) == sum(case.find("skipped") is not None for case in cases)


def test_junit_has_points_as_properties() -> None:
    suite = ET.fromstring(drawn("junit", "unmet")).find("testsuite[@name='15-caching.fresh']")
    assert suite is not None
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties == {"category": "correctness", "points": "8", "earned": "0", "outcome": "unmet"}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "wrong-answer"
    assert "t=60 s  cache.get('ada')  → b'v1'  expected b'v2'" in (failure.text or "")


def test_junit_calls_what_was_our_fault_an_error() -> None:
    root = ET.fromstring(drawn("junit", "inconclusive"))
    assert (root.get("failures"), root.get("errors")) == ("0", "1")
    died = ET.fromstring(drawn("junit", "sandbox_died"))
    assert (died.get("failures"), died.get("errors")) == ("0", died.get("tests"))


def test_junit_stamps_a_practice_run() -> None:
    properties = {
        each.get("name"): each.get("value") for each in ET.fromstring(drawn("junit", "practice")).iter("property")
    }
    assert properties["score"] == "54/100 (practice only)"


@given(ANY)
@FUZZ
def test_junit_gives_back_what_it_was_given(hostile: str) -> None:
    benign = ET.fromstring(FACES["junit"](reports.hostile("word")))
    root = ET.fromstring(FACES["junit"](reports.hostile(hostile, hostile)))
    properties = {each.get("name"): each.get("value") for each in root.iter("property")}
    if hostile:
        assert [each.tag for each in root.iter()] == [each.tag for each in benign.iter()] or not text.block(hostile)
        assert properties["grader digest"] == text.line(hostile)
        assert {case.get("name") for case in root.iter("testcase")} == {text.line(hostile), "can be graded"}


# Gradescope


@SAMPLES
def test_gradescope_adds_up(name: str) -> None:
    results = parsed("gradescope", name)
    assert sum(each["max_score"] for each in results["tests"]) == reports.ALL[name]().max_score
    assert sum(each["score"] for each in results["tests"]) == results["score"]


def test_gradescope_says_passed_and_failed_only_of_what_was_judged() -> None:
    assert {each["extra_data"]["outcome"]: each.get("status") for each in parsed("gradescope", "unmet")["tests"]} == {
        "met": "passed",
        "unmet": "failed",
        "skipped": "failed",
    }
    assert [each.get("status") for each in parsed("gradescope", "inconclusive")["tests"]] == [
        "passed",
        None,
        "passed",
    ]


def test_gradescope_stamps_a_practice_run() -> None:
    results = parsed("gradescope", "practice")
    assert results["output"].startswith("54/100 (practice only)")
    assert results["extra_data"]["for_grades"] is False


def test_gradescope_interprets_no_text() -> None:
    results = parsed("gradescope", "hostile")
    assert {results["output_format"], results["test_output_format"]} == {"text"}
    assert {each["output_format"] for each in results["tests"]} == {"text"}


# check50


def test_check50_knows_three_outcomes() -> None:
    results = {each["data"]["requirement"]: each["passed"] for each in parsed("check50", "unmet")["results"]}
    assert results["hit"] is True
    assert results["fresh"] is False
    assert results["leader"] is None
    assert [each["passed"] for each in parsed("check50", "inconclusive")["results"]] == [True, None, True]


def test_check50_says_why() -> None:
    results = parsed("check50", "unmet")
    assert results["slug"] == "15-caching"
    result = next(each for each in results["results"] if each["name"] == reports.STALE.id)
    assert result["cause"]["expected"] == "b'v2'"
    assert result["cause"]["actual"] == "b'v1'"
    assert "t=60 s  cache.get('ada')  → b'v1'  expected b'v2'" in result["log"]


def test_check50_begins_with_what_kept_the_run_from_being_graded() -> None:
    assert parsed("check50", "load_problem")["results"][0]["passed"] is False
    assert parsed("check50", "sandbox_died")["results"][0]["passed"] is None
