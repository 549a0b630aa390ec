"""What an exercise's files may say: every refusal names the file and says how to mend it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from kata.catalog import Catalog, content_root
from kata.errors import ContentError, UsageError
from kata.exercise import Exercise, digest_folder, read_exercise

TOML = """
    format = 1
    title = "A title"
    topic = "A topic"
    file = "answer.py"
    provides = ["Answer"]

    [limits]
    call_seconds = 2

    [[requirements]]
    id = "first"
    category = "correctness"
    points = 60
    text = "The first sentence."

    [[requirements]]
    id = "second-one"
    category = "failure"
    points = 40
    text = "The second sentence."
    needs = ["first"]
"""
HINTS = """
    # Hints

    ## first

    1. An idea,
       on two lines.
    2. A property.

    ## `second-one`

    1. Another.
"""


def write(root: Path, name: str = "07-some-topic", toml: str = TOML, hints: str = HINTS) -> Path:
    folder = root / "exercises" / name
    folder.mkdir(parents=True)
    (folder / "exercise.toml").write_text(dedent(toml), encoding="utf-8")
    (folder / "hints.md").write_text(dedent(hints), encoding="utf-8")
    (folder / "answer.py").write_text("class Answer: ...\n")
    return folder


def read(folder: Path) -> Exercise:
    return read_exercise(folder, folder.parents[1] / "graders", folder.parents[1] / "solutions")


def refused(folder: Path, *said: str) -> None:
    with pytest.raises(ContentError) as caught:
        read(folder)
    assert str(folder) in caught.value.message
    for words in said:
        assert words in caught.value.message
    assert caught.value.remedy.endswith(".")
    assert caught.value.exit_status == 2


def test_a_sound_exercise(tmp_path):
    folder = write(tmp_path)
    exercise = read(folder)
    assert (exercise.id, exercise.number, exercise.max_score) == ("07-some-topic", 7, 100)
    assert exercise.stub == folder / "answer.py"
    assert exercise.grader_folder == tmp_path / "graders" / "07-some-topic"
    assert exercise.limits.call_seconds == 2
    assert exercise.hints == {"first": ("An idea,\non two lines.", "A property."), "second-one": ("Another.",)}
    assert exercise.requirement("second-one").needs == ("first",)
    with pytest.raises(KeyError):
        exercise.requirement("third")


@pytest.mark.parametrize("name", ["7-topic", "07_topic", "07-Topic", "topic", "07-", "007-topic", "07-a--b"])
def test_a_folder_of_another_name(tmp_path, name):
    refused(write(tmp_path, name), "is not named like an exercise")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "Invalid enum value 2"),
        ("format = 1", "", "missing required field `format`"),
        ("format = 1", "format = ", "Invalid value"),
        ('title = "A title"', 'title = "A"', "$.title"),
        ('title = "A title"', 'titel = "A title"', "unknown field `titel`"),
        ('file = "answer.py"', 'file = "../answer.py"', "$.file"),
        ('file = "answer.py"', 'file = "Answer.py"', "$.file"),
        ('provides = ["Answer"]', "provides = []", "$.provides"),
        ("points = 60", "points = 0", "$.requirements[0].points"),
        ("points = 60", 'points = "60"', "$.requirements[0].points"),
        ('category = "failure"', 'category = "style"', "Invalid enum value 'style'"),
        ('id = "first"', 'id = "First"', "$.requirements[0].id"),
        ('text = "The first sentence."', 'text = "Short."', "$.requirements[0].text"),
        ("call_seconds = 2", "call_seconds = 0", "$.limits.call_seconds"),
        ("call_seconds = 2", "calls = 2", "unknown field `calls`"),
        ("call_seconds = 2", "memory_mib = 8", "$.limits.memory_mib"),
        ('id = "second-one"', 'id = "first"', "two requirements have the id 'first'"),
        ('needs = ["first"]', 'needs = ["third"]', "needs 'third', which no earlier requirement has"),
        ('needs = ["first"]', 'needs = ["second-one"]', "needs 'second-one', which no earlier"),
    ],
)
def test_metadata_that_breaks_a_rule(tmp_path, old, new, said):
    assert old in TOML
    refused(write(tmp_path, toml=TOML.replace(old, new)), "exercise.toml", said)


def test_files_that_are_missing_or_no_text(tmp_path):
    folder = write(tmp_path)
    (folder / "hints.md").write_bytes(b"\xff\xfe")
    refused(folder, "hints.md")
    (folder / "hints.md").unlink()
    refused(folder, "hints.md", "is missing")
    (folder / "exercise.toml").write_bytes(b"\xff")
    refused(folder, "exercise.toml")
    (folder / "exercise.toml").unlink()
    refused(folder, "exercise.toml", "is missing")


def test_hints_for_what_does_not_exist(tmp_path):
    refused(write(tmp_path, hints="## third\n\n1. Hm.\n"), "hints.md", "no requirement has the id 'third'")


def test_digests_change_with_what_counts(tmp_path):
    folder = write(tmp_path)
    grader = tmp_path / "graders" / "07-some-topic"
    (grader / "wrong").mkdir(parents=True)
    (grader / "test_failure.py").write_text("a")
    exercise = read(folder)
    before = exercise.digest(), exercise.grader_digest()
    (grader / "wrong" / "w.py").write_text("b")
    (grader / "__pycache__").mkdir()
    (grader / "__pycache__" / "x.pyc").write_text("c")
    assert (exercise.digest(), exercise.grader_digest()) == before
    (grader / "test_failure.py").write_text("b")
    assert exercise.grader_digest() != before[1]
    (folder / "answer.py").rename(folder / "answers.py")
    assert digest_folder(folder) != before[0]


# ---------------------------------------------------------------- the catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    for name in ("03-queues", "15-caching", "16-cache-stampede"):
        write(tmp_path, name)
    (tmp_path / "exercises" / "drafts").mkdir()
    (tmp_path / "exercises" / "README.md").touch()
    return Catalog(tmp_path)


def test_exercises_in_their_order(catalog):
    assert catalog.ids() == ["03-queues", "15-caching", "16-cache-stampede"]
    assert [exercise.number for exercise in catalog.all()] == [3, 15, 16]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("15", "15-caching"),
        ("3", "03-queues"),
        ("03", "03-queues"),
        ("15-caching", "15-caching"),
        ("15-caching/", "15-caching"),
        (" Caching ", "15-caching"),
        ("queue", "03-queues"),
        ("stampede", "16-cache-stampede"),
    ],
)
def test_an_exercise_by_what_it_is_called(catalog, name, found):
    assert catalog.find(name).id == found


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("cach", "'cach' may mean 15-caching or 16-cache-stampede.", "Name one of them in full"),
        ("cashing", "There is no exercise 'cashing'.", "Did you mean 15-caching?"),
        ("99", "There is no exercise '99'.", "`kata list` shows all of them."),
        ("1", "There is no exercise '1'.", "`kata list`"),
        ("", "There is no exercise ''.", "`kata list`"),
        ("²", "There is no exercise '²'.", "`kata list`"),
    ],
)
def test_a_name_that_means_none_or_several(catalog, name, message, remedy):
    with pytest.raises(UsageError) as caught:
        catalog.find(name)
    assert caught.value.message == message
    assert remedy in caught.value.remedy


def test_a_folder_that_is_named_otherwise_hinders_nobody(catalog, tmp_path):
    write(tmp_path, "draft-of-something")
    assert catalog.find("15").id == "15-caching"
    with pytest.raises(ContentError, match="not named like an exercise"):
        catalog.find("draft-of-something")


def test_an_installation_without_exercises(tmp_path):
    with pytest.raises(UsageError, match="No exercises were found"):
        Catalog(tmp_path).ids()


def test_where_the_content_is(monkeypatch, tmp_path):
    monkeypatch.delenv("KATA_CONTENT", raising=False)
    assert (content_root() / "exercises").is_dir()
    monkeypatch.setenv("KATA_CONTENT", str(tmp_path))
    assert content_root() == tmp_path
