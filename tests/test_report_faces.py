"""The faces for machines: JSON and its schema, JUnit, Gradescope, check50; and writing them to files."""

from __future__ import annotations

import json
import os
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import reports
from hypothesis import given, settings
from hypothesis import strategies as st

from kata.errors import UsageError
from kata.report import text
from kata.report.faces import FACES, write
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


# Writing


def test_write_replaces_a_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    write(reports.met(), "json", path)
    assert from_json(path.read_bytes()) == reports.met()
    assert list(tmp_path.iterdir()) == [path]


def test_write_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(reports.met(), "json", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert from_json((tmp_path / "real").read_bytes()) == reports.met()


def test_write_gives_a_new_file_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write(reports.met(), "json", tmp_path / "report")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_write_writes_into_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    write(reports.met(), "json", path)
    reader.join()
    assert from_json(got[0]) == reports.met()


@pytest.mark.parametrize("name", ["missing/report.json", "folder", "file/report.json", "x" * 300, "nul\0"])
def test_write_says_what_can_not_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be written") as caught:
        write(reports.met(), "json", tmp_path / name)
    assert caught.value.remedy
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_a_write_that_fails_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        write(reports.met(), "json", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_knows_its_formats(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report format 'pdf'") as caught:
        write(reports.met(), "pdf", tmp_path / "report.pdf")
    assert "html" in caught.value.remedy
