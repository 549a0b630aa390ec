"""A cohort is graded once, whole, and whatever happens; its marks are written for those who keep them."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cohorts import Instructor, kill_again_and_again
from test_intake import COUNTER, ROSTER, roster, write, zipped
from toy import PARTLY, SOLVED, TOY, Course, fake_grade

from kata.catalog import Catalog
from kata.cohort.coordinator import _Todo
from kata.cohort.ledger import Job
from kata.cohort.pool import Pool
from kata.exercise import Exercise
from kata.report.model import Report
from kata.submission import Submission

ALL_ROWS = "select job, number, outcome from attempts order by job, number"


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Course:
    made = Course(monkeypatch, tmp_path, capsys)
    monkeypatch.setattr("kata.series.grade", fake_grade)
    return made


def submissions(course: Course, **texts: str) -> None:
    """A folder `all` with a submission of 01-toy for each person."""
    write(course.here / "all", {f"{person}/counter.py": text.encode() for person, text in texts.items()})


def attempts(run: Path) -> list[tuple[str, int, str | None]]:
    with sqlite3.connect(run / "ledger.sqlite") as ledger:
        return ledger.execute(ALL_ROWS).fetchall()


def marks(course: Course, *arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(course.kata("gradebook", "run", *arguments).out)))


def test_from_a_folder_to_marks(course: Course) -> None:
    submissions(course, ada=SOLVED, bob=PARTLY, cyd=SOLVED)
    said = course.kata("grade", "all", "--out", "run")
    assert said.status == 0, said.err
    assert "3 submissions of 3 people were recognised." in said.err
    assert "3 graded." in said.out
    assert [(row["person"], row["score"], row["same_as"]) for row in marks(course)] == [
        ("ada", "100", "cyd"), ("bob", "60", ""), ("cyd", "100", "ada"),
    ]  # fmt: skip
    assert len(attempts(course.here / "run")) == 2, "equal submissions are graded once"


def test_every_sandbox_that_was_started_is_closed(course: Course) -> None:
    submissions(course, **{f"p{n}": f"{PARTLY}# {n}\n" for n in range(5)})
    course.kata("grade", "all", "--out", "run", "--jobs", "2")
    assert all(connection.closed for connection in course.launcher.started)
    assert len(course.launcher.started) <= 7, "at most one for each submission, and one ahead for each worker"


Graded = Callable[[str, str], int]


@pytest.fixture
def graded(course: Course, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graded]:
    """A pool of one worker, and what grades a text of a person's there: which of the sandboxes it was given."""
    used: list[Any] = []

    def grade(*arguments: Any, **options: Any) -> Report:
        used.append(options["connection"])
        return fake_grade(*arguments, **options)

    monkeypatch.setattr("kata.series.grade", grade)
    pool = Pool(course.launcher, 1)
    exercise = Catalog(TOY).get("01-toy")

    def graded(person: str, text: str) -> int:
        pool.submit(exercise, Submission("a", {exercise.file: text.encode()}), 1, person).result()
        return next(n for n, connection in enumerate(course.launcher.started) if connection is used[-1])

    yield graded
    pool.close(wait=True)
    assert all(connection.closed for connection in course.launcher.started)


def test_one_person_s_submissions_share_a_sandbox_and_two_people_s_never_do(graded: Graded) -> None:
    assert [graded("ada", SOLVED), graded("ada", PARTLY), graded("bob", SOLVED), graded("ada", SOLVED)] == [0, 0, 1, 2]


def test_after_what_could_not_be_judged_a_sandbox_is_fresh(graded: Graded) -> None:
    assert graded("ada", "# ours met:") == 0
    assert graded("ada", SOLVED) == 1
    assert graded("ada", "# ours met:") == 2, "it is tried once more in a fresh one"


def test_no_sandbox_is_kept_where_others_would_wait_for_its_end(graded: Graded, course: Course) -> None:
    course.launcher.is_lasting = False
    assert [graded("ada", SOLVED), graded("ada", PARTLY)] == [0, 1]


def order_of(jobs: list[Job], seconds: dict[str, float], workers: int) -> list[str]:
    """The order in which jobs are begun when each takes what is known of its exercise."""
    todo = _Todo(jobs, seconds)
    running = [(0.0, "")] * workers
    order = []
    while todo:
        at, person = running.pop(running.index(min(running)))
        job = todo.next(person)
        order.append(job.id)
        running.append((at + seconds.get(job.exercise, 1.0), job.person))
    return order


def test_one_person_s_jobs_follow_each_other_and_who_takes_longest_comes_first() -> None:
    def job(person: str, exercise: str) -> Job:
        return Job(f"{person}{exercise}", exercise, "", person)

    jobs = [job("a", "1"), job("b", "2"), job("b", "1"), job("c", "2")]
    assert order_of(jobs, {"1": 1.0, "2": 3.0}, workers=1) == ["b2", "b1", "c2", "a1"]
    assert order_of(jobs, {"2": 3.0}, workers=1)[0] in ("a1", "b1"), "of 1 nothing is known yet"
    alone = [job("a", exercise) for exercise in "1234"]
    assert order_of(alone, dict.fromkeys("1234", 1.0), workers=2) == ["a1", "a2", "a3", "a4"], "nobody has to wait"


def test_grading_again_is_grading_once(course: Course) -> None:
    submissions(course, ada=SOLVED)
    course.kata("grade", "all", "--out", "run", "--seed", "5")
    before = attempts(course.here / "run")
    submissions(course, bob=PARTLY)
    assert course.kata("grade", "all", "--out", "run").status == 0
    after = attempts(course.here / "run")
    assert set(before) < set(after)
    assert len(after) == 2
    assert [row["person"] for row in marks(course)] == ["ada", "bob"]


def test_what_is_taken_back_has_no_mark(course: Course) -> None:
    submissions(course, ada=SOLVED, bob=SOLVED)
    course.kata("grade", "all", "--out", "run")
    (course.here / "all/bob/counter.py").rename(course.here / "all/bob/notes.txt")
    course.kata("grade", "all", "--out", "run")
    assert [row["person"] for row in marks(course)] == ["ada"]


def test_a_dry_run_says_what_it_found_and_does_nothing(course: Course) -> None:
    submissions(course, ada=SOLVED)
    write(course.here / "all", {"odd.txt": b"", "\x1b[31mred/x": b""})
    said = course.kata("grade", "all", "--dry-run")
    assert said.status == 0
    assert "01-toy  1" in said.err
    assert "odd.txt: It names nobody." in said.err
    assert "\x1b[31m" not in said.err
    assert not course.launcher.started
    assert [path.name for path in course.here.iterdir()] == ["all"]


def test_names_that_are_no_text(course: Course) -> None:
    os.makedirs(os.fsencode(course.here / "all") + b"/\xffada")
    (course.here / "all" / os.fsdecode(b"\xffada") / "counter.py").write_text(SOLVED)
    (course.here / "all" / os.fsdecode(b"\xfe.txt")).write_text("")
    assert course.kata("grade", "all", "--out", "run").status == 0
    assert [row["person"] for row in marks(course)] == ["\\udcffada"]


def test_inconclusive_is_retried_listed_and_never_a_zero(course: Course) -> None:
    submissions(course, ada="# ours\n", bob=SOLVED)
    said = course.kata("grade", "all", "--out", "run", "--retry", "1")
    assert said.status == 3
    assert "1 graded, 1 inconclusive." in said.out
    assert [outcome for _, _, outcome in attempts(course.here / "run")].count("inconclusive") == 2
    (ada, _) = marks(course)
    assert (ada["state"], ada["score"]) == ("inconclusive", "")
    course.kata("grade", "--resume", "run", "--retry", "0")
    assert len(attempts(course.here / "run")) == 4, "the next run tries it again"


def test_an_earlier_verdict_stands(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    submissions(course, ada=SOLVED)
    course.kata("grade", "all", "--out", "run")
    with sqlite3.connect(course.here / "run/ledger.sqlite") as ledger:
        ledger.execute(
            "insert into attempts select job, 2, begun_at, ended_at, 'inconclusive', 0, outcomes, '', 1.0 from attempts"
        )
    assert marks(course)[0]["score"] == "100"


def test_ctrl_c_lets_running_jobs_end_and_the_rest_waits(course: Course) -> None:
    submissions(course, **{f"p{n}": f"{PARTLY}# {n}\n" for n in range(6)}, stop="# interrupt\n")
    said = course.kata("grade", "all", "--out", "run", "--jobs", "1")
    assert said.status == 130
    assert "`kata grade --resume run` goes on." in said.out
    left = {row["state"] for row in marks(course)}
    assert "waiting" in left
    (course.here / "all/stop/counter.py").write_text(SOLVED)
    assert course.kata("grade", "all", "--out", "run").status == 0
    assert {row["state"] for row in marks(course)} == {"graded"}


def test_a_fault_of_ours_loses_nothing(course: Course) -> None:
    submissions(course, ada=SOLVED, bob="# fault\n")
    assert course.kata("grade", "all", "--out", "run", "--jobs", "1").status == 3
    submissions(course, bob=PARTLY)
    assert course.kata("grade", "all", "--out", "run").status == 0
    assert [row["score"] for row in marks(course)] == ["100", "60"]


def test_a_sandbox_that_is_gone_ends_the_run_and_loses_nothing(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    from kata.errors import SandboxUnavailable

    def gone(lanes: int = 1) -> None:
        raise SandboxUnavailable("No docker daemon answers.", "Start it.")

    submissions(course, ada=SOLVED, bob=PARTLY)
    with monkeypatch.context() as patch:
        patch.setattr(course.launcher, "start", gone)
        said = course.kata("grade", "all", "--out", "run")
    assert said.status == 3
    assert "Start it. Nothing is lost: `kata grade --resume run` goes on." in " ".join(said.err.split())
    assert course.kata("grade", "--resume", "run").status == 0
    assert [row["score"] for row in marks(course)] == ["100", "60"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade"], "Say what to grade"),
        (["grade", "all"], "Say what to grade"),
        (["grade", "all", "--out", "run", "--resume", "run"], "Say what to grade"),
        (["grade", "--resume", "run", "--regrade", "run"], "Say what to grade"),
        (["grade", "--regrade", "run"], "Say what to grade"),
        (["grade", "--regrade", "elsewhere", "--out", "run2"], "elsewhere holds no run"),
        (["diff", "run", "elsewhere"], "elsewhere holds no run"),
        (["grade", "--resume", "elsewhere"], "elsewhere holds no run"),
        (["gradebook", "elsewhere"], "elsewhere holds no run"),
        (["grade", "nowhere", "--out", "run"], "nowhere"),
        (["grade", "all", "--out", "run", "--seed", "6"], "begun with --seed 5"),
        (["grade", "all", "--out", "file"], "can't be used for a run"),
        (["grade", "all", "--out", "run", "--exercise", "nope"], "There is no exercise 'nope'"),
    ],
)
def test_wrong_usage(course: Course, arguments: list[str], says: str) -> None:
    submissions(course, ada=SOLVED)
    (course.here / "file").write_text("")
    course.kata("grade", "all", "--out", "run", "--seed", "5")
    said = course.kata(*arguments)
    assert said.status == 2
    assert says in said.err
    assert not (course.here / "elsewhere").exists()


def test_a_ledger_that_is_none_is_refused(course: Course) -> None:
    submissions(course, ada=SOLVED)
    write(course.here / "run", {"ledger.sqlite": b"not a database" * 100})
    said = course.kata("grade", "all", "--out", "run")
    assert (said.status, "can't be used as a ledger" in said.err) == (2, True)


def test_a_changed_grader_is_not_mixed_in(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    submissions(course, ada=SOLVED)
    course.kata("grade", "all", "--out", "run")
    monkeypatch.setattr("kata.exercise.Exercise.grader_digest", lambda exercise: "other")
    said = course.kata("grade", "all", "--out", "run")
    assert (said.status, "has changed since this run began" in said.err) == (2, True)


def test_without_isolation_it_must_be_asked_for(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    from kata.sandbox.process import ProcessLauncher

    submissions(course, ada=SOLVED)
    monkeypatch.setattr(course, "launcher", ProcessLauncher())
    said = course.kata("grade", "all", "--out", "run", "--sandbox", "process")
    assert (said.status, "--allow-unisolated" in said.err) == (2, True)


# ---------------------------------------------------------------- grading again


def stricter(exercise: Exercise, submission: Submission, *arguments: Any, **options: Any) -> Report:
    """A grader by which nobody meets `bulk`."""
    files = {name: content.replace(b"bulk", b"") for name, content in submission.files.items()}
    return fake_grade(exercise, Submission(submission.name, files), *arguments, **options)


def test_graded_again_by_another_grader_and_what_differs(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    submissions(course, ada=SOLVED, bob="# met: counts\n")
    write(course.here / "all", {"cyd.zip": b"no zip", "odd.txt": b""})
    course.kata("grade", "all", "--out", "run", "--seed", "5")
    shutil.rmtree(course.here / "all")
    monkeypatch.setattr("kata.series.grade", stricter)
    monkeypatch.setattr("kata.exercise.Exercise.grader_digest", lambda exercise: "other")
    said = course.kata("grade", "--regrade", "run", "--out", "run2")
    assert said.status == 0, said.err
    assert "2 submissions of 2 people were recognised." in said.err
    assert "odd.txt" in said.err, "what was to be looked at still is"
    differing = course.kata("diff", "run", "run2")
    assert differing.status == 1
    heading, *rest = differing.out.splitlines()
    assert re.fullmatch(r"01-toy  grader [0-9a-f]{12} before, other after", heading)
    assert rest == ["  ada  100 → 80: bulk met → unmet (20)", "1 of 2 marks differ."]
    assert json.loads(course.kata("diff", "run", "run2", "--format", "json").out)["compared"] == 2
    same = course.kata("diff", "run", "run")
    assert (same.status, same.out) == (0, "0 of 2 marks differ.\n")


def test_who_is_in_one_run_alone_differs(course: Course) -> None:
    submissions(course, ada=SOLVED, bob="# ours\n")
    course.kata("grade", "all", "--out", "run", "--retry", "0")
    (course.here / "all/bob/counter.py").write_text(PARTLY)
    submissions(course, **{"cyd\x1b[1m\n": SOLVED})
    course.kata("grade", "all", "--out", "run2")
    assert course.kata("diff", "run", "run2").out.splitlines() == [
        "01-toy  the same grader",
        "  bob  inconclusive → 60",
        "  cyd\\x1b[1m\\n  missing → 100",
        "2 of 3 marks differ.",
    ]


def test_only_some_exercises_are_graded_again(course: Course) -> None:
    write(course.here / "all", {"ada/counter.py": SOLVED.encode(), "ada/line.py": b"# met:\n"})
    course.kata("grade", "all", "--out", "run")
    course.kata("grade", "--regrade", "run", "--out", "run2", "--exercise", "02", "--seed", "7")
    assert "01-toy  only in the first run" in course.kata("diff", "run", "run2").out
    with sqlite3.connect(course.here / "run2/ledger.sqlite") as ledger:
        assert ledger.execute("select value from meta where key = 'seed'").fetchone() == ("7",)
        assert ledger.execute("select exercise from jobs").fetchall() == [("02-toy-queue",)]


# ---------------------------------------------------------------- reports


def test_everybody_has_a_report_that_is_written_once(course: Course) -> None:
    submissions(course, ada=PARTLY, **{"Ada B": SOLVED, "bob": "# ours\n"})
    course.kata("grade", "all", "--out", "run", "--retry", "0")
    folder = course.here / "run/reports/01-toy"
    names = sorted(path.name for path in folder.iterdir())
    assert [name[:3] for name in names] == ["_da", "_da", "ada", "ada", "bob", "bob"]
    assert json.loads((folder / "ada.json").read_text())["score"] == 60
    assert "A negative amount is refused" in (folder / "ada.html").read_text()
    before = (folder / "ada.html").stat().st_mtime_ns
    (folder / "bob.html").unlink()
    course.kata("grade", "--resume", "run")
    assert (folder / "ada.html").stat().st_mtime_ns == before
    assert (folder / "bob.html").exists()


@pytest.mark.parametrize("person", ["../x", "/etc/passwd", ".", "", "a/b", "Ada", "x" * 300, "\0", "é", "CON."])
def test_no_id_leads_out_of_the_folder(person: str) -> None:
    from kata.cohort.reports import file_name

    name = file_name(person)
    assert name.isascii()
    assert 0 < len(name) <= 100
    assert not set(name) & set("/\\\0.")
    assert name != file_name(f"{person}x")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("expected ['ada'], got ['ada', 'ada'].", "expected ['bob'], got ['cyd', 'bob', 'x'].", True),
        ("It took 7 s, and 60 were allowed.", "It took 8.25 s, and 60 were allowed.", True),
        ('get("a") gave b"v1".', "get('b') gave b'v2'.", True),
        ("It gave None.", "It gave 7.", False),
        ("cache.get(1) raised KeyError.", "cache.get(1) raised OSError.", False),
    ],
)
def test_failures_that_say_the_same_are_told_together(one: str, other: str, alike: bool) -> None:
    from kata.cohort.standings import without_values

    assert (without_values(one) == without_values(other)) is alike


def test_causes_count_people(course: Course) -> None:
    from kata.cohort import standings
    from kata.cohort.ledger import open_ledger
    from kata.cohort.model import Cause

    submissions(course, ada=PARTLY, bob=f"{PARTLY}# 2\n", cyd=PARTLY, dan=SOLVED, eve="# ours\n")
    course.kata("grade", "all", "--out", "run", "--retry", "0")
    with open_ledger(course.here / "run", new=False) as ledger:
        found = standings.causes(ledger, standings.cohort(ledger))
    (refuses,) = found["01-toy", "refuses"]
    assert refuses == Cause(
        check="A negative amount is refused with ValueError, and changes nothing.",
        message="It gave 7 for 8.",
        people=3,
    )
    assert list(found) == [("01-toy", "refuses")], "what is inconclusive tells nothing of a submission"


# ---------------------------------------------------------------- the gradebook


def test_an_instructor_with_canvas(course: Course, tmp_path: Path) -> None:
    """One is missing, one late, one in two places, one sent a bomb, one is unknown."""
    people = roster(tmp_path, ROSTER + '"=cmd(), Eve",12,S12,eve,Two,\r\n')
    download = {
        "kingada_LATE_7_90_counter.py": SOLVED.encode(),
        "poebob_8_91_counter.py": PARTLY.encode(),
        "poebob_8_92_toy.zip": zipped({"counter.py": SOLVED.encode()}),
        "cmdeve_12_93_toy.zip": zipped({"counter.py": bytes(50 * 2**20)}),
        "doezoe_99_94_counter.py": SOLVED.encode(),
    }
    write(course.here / "all", download)
    said = course.kata("grade", "all", "--out", "run", "--roster", str(people))
    assert said.status == 0, said.err
    assert "Handed in nothing:\n  Roe, Cyd" in said.err
    assert "Not in the roster:\n  99" in said.err
    assert "cmdeve_12_93_toy.zip: 'counter.py' is larger than 1 MiB." in said.err
    assert "8 handed in 01-toy in 2 places" in said.err
    states = {row["person"]: (row["state"], row["score"], row["late"]) for row in marks(course)}
    assert states == {
        "7": ("graded", "100", "late"),
        "8": ("graded", "100", ""),
        "9": ("missing", "", ""),
        "12": ("unreadable", "", ""),
        "99": ("graded", "100", ""),
    }
    book = course.kata("gradebook", "run", "--format", "canvas")
    assert "left out: 99" in book.err
    assert list(csv.reader(io.StringIO(book.out))) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01-toy (55)"],
        ["    Points Possible", "", "", "", "", "100.00"],
        ["King, Ada", "7", "S7", "ada@uni.example", "One", "100.00"],
        ["Poe, Bob", "8", "S8", "bob", "One", "100.00"],
        ["Roe, Cyd", "9", "S9", "cyd", "Two", ""],
        ["'=cmd(), Eve", "12", "S12", "eve", "Two", ""],
    ]


def test_lines_of_json_have_every_requirement(course: Course) -> None:
    submissions(course, ada=PARTLY)
    course.kata("grade", "all", "--out", "run")
    said = course.kata("gradebook", "run", "--format", "jsonl", "--to", "marks.jsonl")
    assert (said.status, said.out) == (0, "")
    (line,) = (course.here / "marks.jsonl").read_text().splitlines()
    mark = json.loads(line)
    assert (mark["name"], mark["score"]) == ("ada", 60)
    assert mark["outcomes"] == {"counts": "met", "bulk": "met", "refuses": "unmet"}


def test_results_as_gradescope_s_autograder_answers(course: Course) -> None:
    submissions(course, ada=PARTLY, bob="# ours\n")
    course.kata("grade", "all", "--out", "run", "--retry", "0")
    assert course.kata("gradebook", "run", "--format", "gradescope").status == 2
    said = course.kata("gradebook", "run", "--format", "gradescope", "--to", "out")
    assert said.out == "1 results.json were written below out.\n"
    (written,) = (course.here / "out").rglob("*.*")
    assert written == course.here / "out/01-toy/ada/results.json"
    results = json.loads(written.read_text())
    assert results["score"] == sum(test["score"] for test in results["tests"]) == 60
    assert sum(test["max_score"] for test in results["tests"]) == 100


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "a\r=1", "\uff1d1", "\u3000\uff201"])
def test_no_cell_is_a_formula(course: Course, cell: str) -> None:
    from kata.cohort.gradebook import _harmless

    safe = _harmless(cell)
    assert not unicodedata.normalize("NFKC", safe).lstrip().startswith(("=", "+", "-", "@"))
    assert safe.isprintable()


# ---------------------------------------------------------------- deaths


def test_a_full_disk_loses_nothing(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after ever more pages of 4 KiB: each run says so, and the next one goes on."""
    from kata.cohort import ledger

    submissions(course, **{f"p{n:02}": f"{PARTLY}# {n}\n{random.Random(n).randbytes(3000).hex()}" for n in range(12)})
    connect, refused = ledger._connect, 0
    for pages in range(20, 60):
        with monkeypatch.context() as patch:

            def small(file: Path, pages: int = pages) -> sqlite3.Connection:
                connection = connect(file)
                connection.execute(f"pragma max_page_count = {pages}")
                return connection

            patch.setattr(ledger, "_connect", small)
            said = course.kata("grade", "all", "--out", "run", "--seed", "3", "--jobs", "2")
        if said.status:
            refused += 1
            assert said.status == 3, said.err
            assert "The ledger in run can't be written: database or disk is full." in said.err
            assert "Traceback" not in said.err
    assert refused > 10
    assert course.kata("grade", "all", "--out", "run", "--seed", "3").status == 0
    assert [row["score"] for row in marks(course)] == ["60"] * 12
    judged = [job for job, _, outcome in attempts(course.here / "run") if outcome in ("met", "unmet")]
    assert len(judged) == len(set(judged)) == 12


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_gives_the_same_marks(tmp_path: Path) -> None:
    """SIGKILL of the whole coordinator at random moments, each followed by a run that goes on."""
    seed = 20261
    solution = (TOY / "solutions/01-toy/counter.py").read_bytes()
    files = {f"p{n}/counter.py": (solution if n % 3 else COUNTER) + f"# {n}\n".encode() for n in range(12)}
    write(tmp_path / "all", files)
    instructor = Instructor(tmp_path, "--sandbox", "process", "--allow-unisolated", content=TOY)
    try:
        kill_again_and_again(instructor, 6, 4.0, random.Random(seed))
    except AssertionError as error:
        pytest.fail(f"seed {seed}: {error}")


def test_two_at_once_do_not_write_one_ledger(course: Course) -> None:
    from kata.cohort.ledger import open_ledger

    submissions(course, ada=SOLVED)
    with open_ledger(course.here / "run", new=True):
        said = course.kata("grade", "all", "--out", "run")
    assert (said.status, "Another kata is grading into" in said.err) == (2, True)
