"""`kata dev new` and `kata dev check`, on the exercise that the first writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import FakeLauncher

from kata.authoring.check import check_exercises
from kata.authoring.findings import ExerciseReport, Finding
from kata.authoring.grader import read_grader, read_losses
from kata.authoring.new import new_exercise
from kata.authoring.papers import BLANK, read_papers
from kata.catalog import Catalog
from kata.errors import UsageError
from kata.exercise import Exercise
from kata.report.model import (
    CheckResult,
    Dependability,
    ExerciseInfo,
    Failure,
    Outcome,
    Phases,
    Report,
    RequirementResult,
    SandboxInfo,
    SubmissionInfo,
)
from kata.sandbox.choose import choose
from kata.submission import Submission

ID = "28-lease-table"
SENTENCES = {
    "answers": ("A get answers with what the store holds under its key, and with None when it holds nothing.",),
    "one-read": ("A get costs one read of the store.",),
    "one-retry": (
        "A get whose first read fails answers all the same.",
        "A get whose second read fails too raises that error.",
    ),
}
LOST = {
    "constant": {"answers", "one-read"},
    "first_answer": {"answers"},
    "two_reads": {"one-read"},
    "no_retry": {"one-retry"},
    "swallowed": {"one-retry"},
    "stubborn": {"one-retry"},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one new exercise."""
    (tmp_path / "exercises").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    new_exercise(tmp_path, ID)
    return tmp_path


@pytest.fixture
def exercise(checkout: Path) -> Exercise:
    """The new exercise with its blanks filled."""
    fill(checkout)
    return Catalog(checkout).get(ID)


def fill(checkout: Path) -> None:
    for path in checkout.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace(f"{BLANK} ", ""))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} does not hold {old!r}"
    path.write_text(text.replace(old, new))


def again(exercise: Exercise) -> Exercise:
    """The exercise as its files are now."""
    return Catalog(exercise.folder.parent.parent).get(exercise.id)


def papers(exercise: Exercise) -> list[Finding]:
    return read_papers(again(exercise))


def grader(exercise: Exercise) -> list[Finding]:
    return read_grader(again(exercise))[1]


def only(findings: list[Finding], pattern: str) -> Finding:
    """The one finding whose message matches, when there is no other."""
    assert [finding.message for finding in findings] == [findings[0].message], findings
    assert re.search(pattern, findings[0].message), findings[0].message
    assert findings[0].remedy
    return findings[0]


# kata dev new


def test_a_new_exercise_stands_in_all_three_trees(checkout: Path) -> None:
    exercise = Catalog(checkout).get(ID)
    assert exercise.title == "Lease table"
    assert exercise.provides == ("LeaseTable",)
    assert exercise.stub.name == "lease_table.py"
    assert (exercise.grader_folder / "test_failure.py").is_file()
    assert (exercise.solution_folder / "lease_table.py").is_file()


def test_each_blank_of_a_new_exercise_is_listed_with_its_line(checkout: Path) -> None:
    findings = [f for f in read_papers(Catalog(checkout).get(ID)) if "blank" in f.message]
    blanks = [
        (path.relative_to(checkout).as_posix(), number)
        for path in checkout.rglob("*")
        if path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BLANK in line
    ]
    assert sorted((f.file, f.line) for f in findings) == sorted(blanks)
    assert len({file for file, _ in blanks}) == sum(path.is_file() for path in checkout.rglob("*")) - 1


def test_nothing_is_wrong_with_a_new_exercise_whose_blanks_are_filled(exercise: Exercise) -> None:
    assert papers(exercise) + grader(exercise) == []


@pytest.mark.parametrize("name", ["leases", "2-leases", "28-Leases", "28-", "28-9lives", "../28-x"])
def test_a_malformed_name_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not named like an exercise"):
        new_exercise(checkout, name)


@pytest.mark.parametrize("tree", ["exercises", "graders", "solutions"])
def test_nothing_is_overwritten(tmp_path: Path, tree: str) -> None:
    (tmp_path / "exercises").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / tree / "28-other").mkdir(parents=True)
    with pytest.raises(UsageError, match=f"{tree}/28-other exists already"):
        new_exercise(tmp_path, ID)
    assert not list(tmp_path.rglob("lease*"))


def test_outside_a_checkout_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a checkout"):
        new_exercise(tmp_path, ID)
    assert not list(tmp_path.iterdir())


# kata dev check: the files

BREAKAGES: dict[str, tuple[Callable[[Exercise], object], str, str]] = {
    "points do not add up": (
        lambda e: edit(e.folder / "exercise.toml", "points = 20", "points = 19"),
        "add up to 99, not 100",
        "exercises/28-lease-table/exercise.toml",
    ),
    "too little about failure": (
        lambda e: (
            edit(e.folder / "exercise.toml", "points = 40\ntext", "points = 56\ntext"),
            edit(e.folder / "exercise.toml", "points = 40\nneeds", "points = 24\nneeds"),
        ),
        "about failure have 24 points; at least 25",
        "exercises/28-lease-table/exercise.toml",
    ),
    "a rung is missing": (
        lambda e: edit(e.folder / "hints.md", "3. A pointer: `except ConnectionError`.", ""),
        "'one-retry' has 2 rungs of hints, not 3",
        "exercises/28-lease-table/hints.md",
    ),
    "a rung is empty": (
        lambda e: edit(e.folder / "hints.md", "A pointer: `except ConnectionError`.", ""),
        "Rung 3 of 'one-retry' is empty",
        "exercises/28-lease-table/hints.md",
    ),
    "README forgets a requirement": (
        lambda e: edit(e.folder / "README.md", "| `one-read` |", "| `one-reader` |"),
        "does not mention the requirement 'one-read'",
        "exercises/28-lease-table/README.md",
    ),
    "README forgets a name": (
        lambda e: edit(e.folder / "README.md", "LeaseTable", "TheThing"),
        "does not mention the provided name 'LeaseTable'",
        "exercises/28-lease-table/README.md",
    ),
    "the stub lacks a name": (
        lambda e: edit(e.stub, "class LeaseTable", "class Leases"),
        "does not define 'LeaseTable'",
        "exercises/28-lease-table/lease_table.py",
    ),
    "the stub is not Python": (
        lambda e: edit(e.stub, "class LeaseTable:", "class LeaseTable"),
        "not Python: expected ':'",
        "exercises/28-lease-table/lease_table.py",
    ),
    "the solution is not formatted": (
        lambda e: edit(e.solution_folder / "lease_table.py", "self.store = store", "self.store=store"),
        "not formatted",
        "solutions/28-lease-table/lease_table.py",
    ),
    "NOTES are missing": (
        lambda e: (e.solution_folder / "NOTES.md").unlink(),
        "It is missing",
        "solutions/28-lease-table/NOTES.md",
    ),
    "a stray file": (
        lambda e: (e.folder / "old.py").touch(),
        "a stray file",
        "exercises/28-lease-table/old.py",
    ),
    "a stray test file": (
        lambda e: (e.grader_folder / "test_more.py").touch(),
        "a stray file",
        "graders/28-lease-table/test_more.py",
    ),
    "a stray note among the wrong": (
        lambda e: (e.grader_folder / "wrong" / "notes.txt").touch(),
        "a stray file",
        "graders/28-lease-table/wrong/notes.txt",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_wrong_with_the_files_is_found(exercise: Exercise, breakage: str) -> None:
    spoil, message, file = BREAKAGES[breakage]
    spoil(exercise)
    assert only(papers(exercise), message).file == file


def test_helpers_and_survivors_are_no_stray_files(exercise: Exercise) -> None:
    (exercise.grader_folder / "model.py").touch()
    (exercise.grader_folder / "SURVIVORS.md").touch()
    (exercise.grader_folder / "wrong" / "__pycache__").mkdir()
    assert papers(exercise) + grader(exercise) == []


# kata dev check: the grader's code

CODE: dict[str, tuple[str, str, str, str]] = {
    "an unknown requirement": (
        "test_timing.py", '@check("one-read")', '@check("nothing")', "judges 'nothing', which exercise.toml"
    ),
    "the wrong file": (
        "test_timing.py", '@check("one-read")', '@check("answers")', "judges 'answers', which is about"
    ),
    "no requirement": ("test_timing.py", '@check("one-read")\n', "", "judges no requirement"),
    "no sentence": (
        "test_timing.py", "A get costs one read of the store.", "cheap", "is not one sentence"
    ),
    "two sentences": (
        "test_timing.py", "A get costs one", "A get is cheap. It costs one", "is not one sentence"
    ),
    "a sleep": ("test_timing.py", "    reader.get", "    sleep(1)\n    reader.get", "`sleep` sleeps"),
    "a socket": ("conftest.py", "import pytest", "import socket\n\nimport pytest", "`socket` opens sockets"),
    "a look at the source": (
        "conftest.py", "import pytest", "from inspect import getsource\n\nimport pytest", "`inspect` reads"
    ),
    "chance": (
        "test_timing.py", "    reader.get", "    random.choice([1])\n    reader.get", "not drawn from"
    ),
    "a file": ("test_timing.py", "    reader.get", '    open("x")\n    reader.get', "`open` opens a file"),
    "no syntax": ("test_timing.py", "def test_a", "def test a", "not Python"),
    "no losses": ("wrong/no_retry.py", "Loses: one-retry.", "Bad.", "does not say what it loses"),
    "unknown losses": ("wrong/no_retry.py", "one-retry", "retries", "names 'retries', which exercise.toml"),
    "no design": ("right/loop.py", '"""A loop over the attempts."""', "", "does not say what its design is"),
}  # fmt: skip


@pytest.mark.parametrize("case", CODE)
def test_what_is_wrong_with_the_grader_is_found(exercise: Exercise, case: str) -> None:
    file, old, new, message = CODE[case]
    edit(exercise.grader_folder / file, old, new)
    findings = [f for f in grader(exercise) if "No check judges" not in f.message]
    assert only(findings, message).file == f"graders/28-lease-table/{file}"


def test_a_requirement_without_a_check_is_found(exercise: Exercise) -> None:
    (exercise.grader_folder / "test_timing.py").write_text("")
    only(grader(exercise), "No check judges 'one-read'")


def test_two_checks_of_one_name_or_one_sentence_are_found(exercise: Exercise) -> None:
    path = exercise.grader_folder / "test_timing.py"
    code = path.read_text()
    path.write_text(code + code.partition("from kata.grading import check\n")[2])
    messages = {finding.message.partition(":")[0] for finding in grader(exercise)}
    assert messages == {
        "Two checks are named test_a_get_costs_one_read",
        "Another check has the same sentence as test_a_get_costs_one_read",
    }


def test_a_long_check_is_a_warning(exercise: Exercise) -> None:
    path = exercise.grader_folder / "test_timing.py"
    edit(path, '    reader.get("ada")\n', '    reader.get("ada")\n' * 14)
    finding = only(grader(exercise), "has 16 statements; at most 15 read well")
    assert finding.severity == "warning"


@pytest.mark.parametrize(("folder", "count"), [("wrong", 6), ("right", 2)])
def test_too_few_submissions_are_found(exercise: Exercise, folder: str, count: int) -> None:
    next((exercise.grader_folder / folder).iterdir()).unlink()
    only(grader(exercise), f"has {count - 1} submissions, and at least {count} are needed")


def test_a_wrong_submission_says_what_it_loses_and_may_lose(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text('"""Loses: a, b-c. Why.\n\nMay lose: d, e\n"""\n')
    losses = read_losses(path)
    assert losses is not None
    assert losses.named == {"a", "b-c"}
    assert losses.allowed == {"d", "e"}


# kata dev check: the runs, with a grade() that answers by the submission's name


class Grade:
    """Stands for `kata.grade.grade`: says what a true one would, unless it is told otherwise."""

    def __init__(self, exercise: Exercise) -> None:
        self.names = {
            path.read_bytes(): path.stem
            for path in [
                *exercise.grader_folder.glob("*/*.py"),
                exercise.solution_folder / exercise.file,
            ]
        }
        self.lost: dict[str, set[str]] = {name: set(lost) for name, lost in LOST.items()}
        self.outcome: dict[tuple[str, int], Outcome] = {}
        self.problem: dict[str, Failure] = {}
        self.graded: list[tuple[str, int, bool]] = []

    def __call__(
        self,
        exercise: Exercise,
        submission: Submission,
        launcher: object,
        *,
        seed: int,
        coverage: bool,
        shrink: bool,
        connection: Any,
        keep: Callable[[Any], None],
        on_log: Callable[[str], None],
        only: tuple[str, ...] = (),
        brief: bool,
    ) -> Report:
        (content,) = submission.files.values()
        name = self.names.get(content, "stub")
        self.graded.append((name, seed, coverage))
        on_log("Traceback (most recent call last):\nKeyError: 'n1'\n")
        every = {requirement.id for requirement in exercise.requirements}
        lost = every if name == "stub" and name not in self.lost else self.lost.get(name, set())
        results = tuple(self.result(exercise, name, i, lost, seed) for i in SENTENCES if not only or i in only)
        outcomes = {result.outcome for result in results}
        keep(connection) if "inconclusive" not in outcomes else connection.close()
        assert not shrink, "a transcript that nobody reads need not be short"
        assert brief == bool(only), "what is left out must not matter"
        return report(
            exercise,
            results,
            "inconclusive" if "inconclusive" in outcomes else "met" if outcomes == {"met"} else "unmet",
            self.problem.get(name),
        )

    def result(
        self, exercise: Exercise, name: str, requirement_id: str, lost: set[str], seed: int
    ) -> RequirementResult:
        requirement = exercise.requirement(requirement_id)
        outcome = self.outcome.get((f"{name}:{requirement_id}", seed))
        if outcome is None:
            skipped = any(needed in lost for needed in requirement.needs)
            outcome = "skipped" if skipped else "unmet" if requirement_id in lost else "met"
        failure = Failure(kind="wrong-answer", message="It was wrong.") if outcome != "met" else None
        return RequirementResult(
            id=requirement.id,
            category=requirement.category,
            text=requirement.text,
            points=requirement.points,
            earned=requirement.points if outcome == "met" else 0,
            outcome=outcome,
            checks=tuple(
                CheckResult(id=text, text=text, outcome=outcome, failure=failure) for text in SENTENCES[requirement_id]
            ),
        )


def report(
    exercise: Exercise, results: tuple[RequirementResult, ...], outcome: Outcome, problem: Failure | None
) -> Report:
    return Report(
        exercise=ExerciseInfo(id=exercise.id, title=exercise.title, digest=""),
        submission=SubmissionInfo(name="x", digest=""),
        score=sum(result.earned for result in results),
        max_score=100,
        outcome=outcome,
        sandbox=SandboxInfo(name="process", for_grades=False),
        seed=0,
        requirements=results,
        categories=(),
        phases=Phases(),
        dependability=Dependability(),
        problem=problem,
        started_at="",
        kata_version="",
        grader_digest="",
        replay="",
    )


@pytest.fixture
def grade(exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> Grade:
    fake = Grade(exercise)
    monkeypatch.setattr("kata.series.grade", fake)
    return fake


def prove(exercise: Exercise, **options: Any) -> ExerciseReport:
    defaults = {"seeds": 7, "first_seed": 3, "jobs": 1, "full": True}
    (found,) = check_exercises([again(exercise)], FakeLauncher(), **{**defaults, **options})  # type: ignore[arg-type]
    return found


def test_a_good_exercise_is_proved(exercise: Exercise, grade: Grade) -> None:
    found = prove(exercise)
    assert found.findings == ()
    assert found.proved
    assert (found.summary.checks, found.summary.wrong, found.summary.right) == (4, 6, 2)
    assert found.summary.stub_score == 0
    assert found.summary.runs == 1 + 7 * 3 + 2 * 6


def test_right_ones_run_on_all_seeds_wrong_ones_on_some_the_stub_on_one(exercise: Exercise, grade: Grade) -> None:
    prove(exercise)
    seeds = {name: [seed for n, seed, _ in grade.graded if n == name] for name, _, _ in grade.graded}
    assert seeds["loop"] == seeds["lease_table"] == [3, 4, 5, 6, 7, 8, 9]
    assert seeds["constant"] == [3, 4]
    assert seeds["stub"] == [3]
    grade.graded.clear()
    prove(exercise, seeds=60)
    assert [seed for name, seed, _ in grade.graded if name == "constant"] == [3, 4, 5, 6, 7]
    assert {seed for _, seed, coverage in grade.graded if coverage} == {3}


def test_the_matrix_says_what_each_wrong_submission_lost(exercise: Exercise, grade: Grade) -> None:
    rows = {row.submission: row for row in prove(exercise).summary.rows}
    assert rows["constant"].marks == {"answers": "lost", "one-read": "lost", "one-retry": "skipped"}
    assert rows["stubborn"].marks == {"answers": "kept", "one-read": "kept", "one-retry": "lost"}


def test_progress_is_told_run_by_run(exercise: Exercise, grade: Grade) -> None:
    told: list[tuple[int, int, str]] = []
    prove(exercise, seeds=1, progress=lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(n, 10) for n in range(1, 11)]
    assert f"{ID} right/loop" in {step[2] for step in told}


def test_a_right_submission_that_loses_something_is_found_with_its_seed(exercise: Exercise, grade: Grade) -> None:
    grade.outcome["loop:one-read", 5] = grade.outcome["loop:one-read", 8] = "unmet"
    finding = only(list(prove(exercise).findings), "loses 'one-read' on 2 of 7 seeds, first 5: .*It was wrong")
    assert f"kata check {ID} graders/{ID}/right/loop.py --only one-read --seed 5" in finding.remedy


def test_a_wrong_submission_that_keeps_what_it_names_is_found(exercise: Exercise, grade: Grade) -> None:
    grade.outcome["two_reads:one-read", 4] = "met"
    finding = only(list(prove(exercise).findings), "must lose 'one-read', and keeps it on 1 of 2 seeds, first 4")
    assert finding.file == f"graders/{ID}/wrong/two_reads.py"


def test_a_wrong_submission_that_loses_more_than_it_names_is_found(exercise: Exercise, grade: Grade) -> None:
    grade.outcome["no_retry:one-read", 4] = "unmet"
    finding = only(list(prove(exercise).findings), "loses 'one-read', which it does not name")
    assert "--seed 4" in finding.remedy


def test_a_wrong_submission_may_lose_what_it_allows(exercise: Exercise, grade: Grade) -> None:
    path = exercise.grader_folder / "wrong" / "no_retry.py"
    edit(path, 'caller."""', 'caller.\n\nMay lose: one-read\n"""')
    grade.names[path.read_bytes()] = "no_retry"
    grade.outcome["no_retry:one-read", 4] = "unmet"
    assert prove(exercise).findings == ()


def test_a_wrong_submission_that_names_what_is_skipped_is_found(exercise: Exercise, grade: Grade) -> None:
    path = exercise.grader_folder / "wrong" / "first_answer.py"
    edit(path, "Loses: answers.", "Loses: answers, one-retry.")
    grade.names[path.read_bytes()] = "first_answer"
    only(list(prove(exercise).findings), "names 'one-retry', which was skipped")


def test_a_check_that_catches_nothing_is_found(exercise: Exercise, grade: Grade) -> None:
    path = exercise.grader_folder / "test_timing.py"
    extra = '\n\n@check("one-read")\ndef test_more(reader):\n    """A second sentence."""\n    reader.get("x")\n'
    path.write_text(path.read_text() + extra)
    finding = only(list(prove(exercise).findings), "test_more catches nothing")
    assert finding.line == len(path.read_text().splitlines()) - 2


def test_unless_in_full_a_wrong_submission_is_judged_by_what_it_names_alone(exercise: Exercise, grade: Grade) -> None:
    path = exercise.grader_folder / "test_timing.py"
    extra = '\n\n@check("one-read")\ndef test_more(reader):\n    """A second sentence."""\n    reader.get("x")\n'
    path.write_text(path.read_text() + extra)
    grade.outcome["no_retry:one-read", 4] = "unmet"
    assert [finding.message for finding in prove(exercise, full=False).findings if finding.severity == "error"] == []
    grade.outcome["two_reads:one-read", 4] = "met"
    only(list(prove(exercise, full=False).findings), "must lose 'one-read', and keeps it on 1 of 2 seeds, first 4")
    for row in prove(exercise, full=False).summary.rows:
        assert {i for i, mark in row.marks.items() if mark == "unasked"} == set(SENTENCES) - row.named, row.submission


def test_a_stub_that_earns_points_is_found(exercise: Exercise, grade: Grade) -> None:
    grade.lost["stub"] = {"answers", "one-retry"}
    only(list(prove(exercise).findings), "The stub earns 20 points, and 5 are the most")


def test_a_submission_that_does_not_load_is_found(exercise: Exercise, grade: Grade) -> None:
    failure = Failure(kind="load", message="No module named 'nothing'.")
    grade.problem = {"loop": failure, "two_reads": failure}
    messages = sorted(finding.message for finding in prove(exercise).findings)
    assert messages == [
        "It could not be graded: No module named 'nothing'.",
        "Nothing about it was judged: No module named 'nothing'.",
    ]


def test_an_inconclusive_run_is_repeated_and_then_our_fault(exercise: Exercise, grade: Grade) -> None:
    grade.outcome["loop:one-read", 5] = "inconclusive"
    finding = only(list(prove(exercise).findings), "1 of 7 runs were inconclusive, first seed 5")
    assert finding.severity == "inconclusive"
    assert finding.detail.endswith("KeyError: 'n1'")
    times = [entry[:2] for entry in grade.graded].count(("loop", 5))
    assert times == 3, "in a sandbox that was used, in a fresh one, and alone"


def test_a_check_is_not_said_to_catch_nothing_when_a_wrong_submission_was_not_judged(
    exercise: Exercise, grade: Grade
) -> None:
    for seed in range(3, 8):
        grade.outcome["two_reads:one-read", seed] = "inconclusive"
    grade.lost["constant"] = {"answers"}
    edit(exercise.grader_folder / "wrong" / "constant.py", "answers, one-read", "answers")
    grade.names = {p.read_bytes(): p.stem for p in exercise.grader_folder.glob("*/*.py")} | grade.names
    severities = [finding.severity for finding in prove(exercise).findings]
    assert severities == ["inconclusive"]


def test_an_exercise_without_its_reference_is_not_run(exercise: Exercise, grade: Grade) -> None:
    (exercise.solution_folder / exercise.file).unlink()
    found = prove(exercise)
    only(list(found.findings), "It is missing")
    assert found.summary.runs == 0
    assert grade.graded == []


def test_an_exercise_named_twice_is_proved_once(exercise: Exercise, grade: Grade) -> None:
    found = check_exercises([exercise, exercise], FakeLauncher(), seeds=1, first_seed=1)  # type: ignore[arg-type]
    assert [one.exercise for one in found] == [ID]


# kata dev check: the real thing


def test_a_new_exercise_is_proved_by_real_runs(exercise: Exercise) -> None:
    launcher = choose("process", progress=lambda line: None, notice=lambda line: None)
    (found,) = check_exercises([exercise], launcher, seeds=1, first_seed=11, full=True)
    assert found.findings == ()
    assert found.summary.stub_score == 0
    assert found.summary.runs == 10
    assert {
        row.submission: {name for name, mark in row.marks.items() if mark == "lost"} for row in found.summary.rows
    } == LOST
