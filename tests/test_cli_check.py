from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy import PARTLY, SOLVED, TOY, Course, FakeConnection, FakeLauncher

from kata.cli.watch import Pool, Warm
from kata.errors import SandboxFailure

PATIENCE_SECONDS = 30

PRETENDING = """\
import sys
sys.path.insert(0, {tests!r})
import toy
import kata.grade, kata.sandbox.choose
kata.grade.grade = toy.fake_grade
launcher = toy.FakeLauncher()
kata.sandbox.choose.choose = lambda name, progress, notice: launcher
from kata.cli import main
try:
    main()
finally:
    print("closed:", [each.closed for each in launcher.started], file=sys.stderr)
"""
"""A `kata` of its own process, with a pretended sandbox and judge."""


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Course:
    return Course(monkeypatch, tmp_path, capsys)


# The verdict


@pytest.mark.parametrize(
    ("text", "status"),
    [(SOLVED, 0), (PARTLY, 1), ("", 1), (SOLVED + "# ours", 3), (SOLVED + "# interrupt", 130)],
)
def test_the_exit_status_is_the_outcome(course: Course, text: str, status: int) -> None:
    answer = course.kata("check", "1", str(course.submission(text)))
    assert answer.status == status
    assert [connection.closed for connection in course.launcher.started] == [True]
    assert "Traceback" not in answer.err


def test_the_sandbox_that_was_asked_for_is_chosen(course: Course) -> None:
    path = str(course.submission(SOLVED))
    course.kata("check", "1", path)
    assert course.chosen == "auto"
    answer = course.kata("check", "1", path, "--sandbox", "bubblewrap")
    assert course.chosen == "bubblewrap"
    assert "(1/4): pulling a base" in answer.err


def test_a_drawn_seed_is_shown_and_a_given_one_is_used(course: Course) -> None:
    path = str(course.submission(PARTLY))
    drawn = re.search(r"seed (\d+)", course.kata("check", "1", path).err)
    assert drawn
    report = json.loads(course.kata("check", "1", path, "--report", "json=-").out)
    assert 1 <= report["seed"] <= 999_999
    again = json.loads(course.kata("check", "1", path, "--seed", drawn[1], "--report", "json=-").out)
    assert again["seed"] == int(drawn[1])


def test_progress_is_a_line_a_check_where_there_is_no_terminal(course: Course) -> None:
    answer = course.kata("check", "1", str(course.submission(PARTLY)))
    lines = [line for line in answer.err.splitlines() if line.startswith(("✓", "✗"))]
    assert lines[0].split()[:3] == ["✓", "met", "counts:"]
    assert lines[2].split()[:3] == ["✗", "unmet", "refuses:"]
    assert "\x1b" not in answer.out + answer.err


def test_quiet_says_the_score_alone(course: Course) -> None:
    answer = course.kata("check", "1", str(course.submission(PARTLY)), "--quiet")
    assert answer.err == ""
    assert len(answer.out.splitlines()) == 1
    assert "60/100" in answer.out


def test_what_a_run_meant_is_said(course: Course) -> None:
    def last_line(text: str, *more: str) -> str:
        return course.kata("check", "1", str(course.submission(text)), *more).out.splitlines()[-1]

    assert "`kata hint 01-toy`" in last_line("# met: counts\n")
    assert "Your best so far, up from 40." in last_line(PARTLY)
    assert "Your best stays 60." in last_line("# met: refuses\n")
    assert "`kata check 01-toy` checks the whole" in last_line(SOLVED, "--only", "bulk")
    assert "changed no score" in last_line("# ours")
    assert "Solved." in last_line(SOLVED)


def test_only_restricts_and_changes_no_score(course: Course) -> None:
    path = str(course.submission(SOLVED))
    course.kata("check", "1", path, "--only", "bulk", "--only", "counts", "--only", "bulk", "--report", "json=r")
    report = json.loads((course.here / "r").read_text())
    assert report["only"] == ["bulk", "counts"]
    assert json.loads(course.kata("list", "--json").out)[0]["state"] == "started"


def test_a_state_that_cannot_be_written_costs_no_verdict(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    (course.here / "file").touch()
    monkeypatch.setenv("KATA_HOME", str(course.here / "file"))
    answer = course.kata("check", "1", str(course.submission(SOLVED)))
    assert answer.status == 0
    assert "100/100" in answer.out
    assert "This run was not kept." in answer.err


# Where the submission is


def test_the_submission_is_looked_for_in_three_places(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def score() -> int:
        return int(json.loads(course.kata("check", "1", "--report", "json=-").out)["score"])

    nothing = course.kata("check", "1")
    assert (nothing.status, nothing.out) == (2, "")
    assert "`kata start 01-toy`" in nothing.err

    (course.here / "exercises" / "01-toy").mkdir(parents=True)
    (course.here / "exercises" / "01-toy" / "counter.py").write_text("# met: counts\n")
    assert score() == 40

    course.kata("start", "1", "elsewhere")
    (course.here / "elsewhere" / "counter.py").write_text(PARTLY)
    assert score() == 60

    (course.here / "01-toy").mkdir()
    (course.here / "01-toy" / "counter.py").write_text(SOLVED)
    assert score() == 100

    monkeypatch.chdir(course.here / "elsewhere")
    assert score() == 60


# Files with the report


def test_reports_are_written_in_each_format_asked_for(course: Course) -> None:
    from kata.report.faces import FACES

    options = [option for name in FACES for option in ("--report", f"{name}=out.{name}")]
    answer = course.kata("check", "1", str(course.submission(PARTLY)), *options)
    assert answer.status == 1
    assert {path.name for path in course.here.glob("out.*")} == {f"out.{name}" for name in FACES}
    assert json.loads((course.here / "out.json").read_text())["score"] == 60


def test_a_report_on_stdout_stands_alone(course: Course) -> None:
    answer = course.kata("check", "1", str(course.submission(PARTLY)), "--report", "json=-")
    assert json.loads(answer.out)["score"] == 60
    assert answer.err == ""


def test_a_report_that_cannot_be_written_says_so_after_the_verdict(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kata.cli.outputs.write_atomically", full)
    answer = course.kata("check", "1", str(course.submission(SOLVED)), "--report", "html=page.html")
    assert answer.status == 2
    assert "100/100" in answer.out
    assert "No space left" in answer.err
    assert "kata report 01-toy --report html=FILE" in answer.err


def test_a_report_goes_into_a_pipe_as_well(course: Course) -> None:
    os.mkfifo(course.here / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((course.here / "pipe").read_bytes()))
    reader.start()
    course.kata("check", "1", str(course.submission(PARTLY)), "--report", "json=pipe")
    reader.join(PATIENCE_SECONDS)
    assert json.loads(received[0])["score"] == 60


# On a terminal


class Terminal:
    """A `kata` at a terminal of its own, with a pretended sandbox and judge."""

    def __init__(self, course: Course, *arguments: str, **environment: str) -> None:
        self.said = ""
        self._screen, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRETENDING.format(tests=str(TOY.parent)), *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=course.here,
            env={
                **os.environ,
                "PYTHONPATH": str(TOY.parent.parent),
                "TERM": "xterm-256color",
                "COLUMNS": "100",
                "LINES": "40",
                **environment,
            },
            start_new_session=True,
        )
        os.close(terminal)

    def until(self, pattern: str) -> str:
        """Read on until the pattern was said since the last call; fails when it isn't."""
        begin = len(self.said)
        while not re.search(pattern, self.said[begin:]):
            assert select.select([self._screen], [], [], PATIENCE_SECONDS)[0], self.said
            try:
                data = os.read(self._screen, 65_536)
            except OSError:  # how a terminal says that nobody has it open any more
                data = b""
            assert data, f"It ended without {pattern!r}:\n{self.said}"
            self.said += data.decode(errors="replace")
        return self.said[begin:]

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self._process.send_signal(number)

    def status(self) -> int:
        with contextlib.suppress(AssertionError):
            self.until(r"\Z never")
        return self._process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


@pytest.fixture
def terminal(course: Course) -> Iterator[Any]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(course, *arguments, **environment))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_a_terminal_sees_the_checks_live_and_then_the_report(course: Course, terminal: Any) -> None:
    shown = terminal("check", "1", str(course.submission(PARTLY)))
    assert shown.status() == 1
    assert "correctness" in shown.said
    assert "60/100" in shown.said
    assert "\x1b[3" in shown.said  # colours
    assert "closed: [True]" in shown.said


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_no_colours_where_they_are_not_wanted(course: Course, terminal: Any, environment: dict[str, str]) -> None:
    shown = terminal("check", "1", str(course.submission(PARTLY)), **environment)
    assert shown.status() == 1
    assert "60/100" in shown.said
    assert not re.search(r"\x1b\[[0-9;]*m", shown.said)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_signal_ends_a_check_cleanly(course: Course, terminal: Any, number: int, status: int) -> None:
    shown = terminal("check", "1", str(course.submission(SOLVED + "# wait")))
    shown.until(r"0/3")
    shown.interrupt(number)
    assert shown.status() == status
    assert "closed: [True]" in shown.said
    assert "Traceback" not in shown.said


# Watching


def test_watch_checks_at_every_save_until_it_is_stopped(course: Course, terminal: Any) -> None:
    path = course.submission("")
    shown = terminal("check", "1", str(path), "--watch")
    assert "0/100" in shown.until("Ctrl-C ends")

    path.write_text(PARTLY)
    assert "60/100" in shown.until("Ctrl-C ends")

    replacement = course.here / "counter.py.new"  # as editors save: beside it, then in its place
    replacement.write_text(SOLVED)
    replacement.replace(path)
    assert "100/100" in shown.until("Ctrl-C ends")

    path.unlink()
    assert "counter.py" in shown.until("Ctrl-C ends")
    path.write_text(PARTLY)
    assert "60/100" in shown.until("Ctrl-C ends")

    shown.interrupt()
    assert shown.status() == 130
    closed = re.findall(r"closed: \[(.*)\]", shown.said)[0].split(", ")
    assert len(closed) >= 5
    assert set(closed) == {"True"}


def test_watching_a_folder_ignores_what_editors_leave(course: Course, terminal: Any) -> None:
    folder = course.here / "mine"
    folder.mkdir()
    (folder / "counter.py").write_text(PARTLY)
    shown = terminal("check", "1", str(folder), "--watch")
    shown.until("Ctrl-C ends")
    for name in (".counter.py.swp", "4913"):
        (folder / name).write_text("x")
    (folder / "counter.py").write_text(PARTLY)  # nothing new
    (folder / "counter.py").write_text(SOLVED)
    assert "100/100" in shown.until("Ctrl-C ends")
    assert shown.said.count("Ctrl-C ends") == 2


def test_a_save_that_cannot_be_judged_does_not_end_the_watch(course: Course, terminal: Any) -> None:
    path = course.submission(SOLVED)
    shown = terminal("check", "1", str(path), "--watch")
    shown.until("Ctrl-C ends")
    path.write_text("ours")
    assert "inconclusive" in shown.until("Ctrl-C ends")
    path.write_text("fault")
    assert shown.status() == 3


# The sandbox that is started ahead


def test_what_a_warm_sandbox_said_is_not_lost() -> None:
    inner = FakeConnection(said=b"ready!")
    warm = Warm(inner)
    assert warm.alive()
    assert warm.alive()
    assert warm.read(4, 1.0) == b"read"
    assert warm.read(4, 1.0) == b"y!"
    with pytest.raises(TimeoutError):
        warm.read(4, 1.0)
    assert set(inner.read_seconds) == {0.0, 1.0}


def test_a_sandbox_that_died_while_it_waited_is_replaced() -> None:
    launcher = FakeLauncher()
    pool = Pool(launcher)
    pool.heat()
    pool.heat()
    (first,) = launcher.started
    first.dead = True
    pool.heat()
    assert first.closed
    assert len(launcher.started) == 2

    launcher.started[1].dead = True
    taken = pool.take()
    assert launcher.started[1].closed
    assert taken.read(9, 1.0) == b"ready"

    pool.heat()
    pool.close()
    assert [connection.closed for connection in launcher.started] == [True, True, False, True]
    taken.close()
    assert launcher.started[2].closed


def test_a_sandbox_that_broke_while_it_waited_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = FakeConnection()

    def broken(size: int, timeout_seconds: float) -> bytes:
        raise SandboxFailure("The connection broke.")

    monkeypatch.setattr(inner, "read", broken)
    warm = Warm(inner)
    assert not warm.alive()
    assert warm.read(9, 1.0) == b""


# For real


@pytest.mark.parametrize(
    ("tree", "status", "outcome", "score"), [("solutions", 0, "met", 100), ("exercises", 1, "unmet", 0)]
)
def test_the_toy_course_in_a_real_sandbox(tmp_path: Path, tree: str, status: int, outcome: str, score: int) -> None:
    submission = TOY / tree / "01-toy" / "counter.py"
    done = subprocess.run(
        [sys.executable, "-m", "kata", "check", "1", str(submission), "--sandbox=process", "--report=json=-"],
        capture_output=True,
        text=True,
        cwd=TOY.parent.parent,
        env={**os.environ, "KATA_CONTENT": str(TOY), "KATA_HOME": str(tmp_path)},
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == status
    report = json.loads(done.stdout)
    assert (report["outcome"], report["score"]) == (outcome, score)
    assert json.loads((tmp_path / "reports" / "01-toy.json").read_text()) == report
