from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from toy import PARTLY, SOLVED, TOY, Course

from kata.cli.app import COMMANDS, kata
from kata.sandbox import Offer
from kata.sandbox.image import ImageState


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Course:
    return Course(monkeypatch, tmp_path, capsys)


def commands(group: click.Group = kata, path: str = "kata") -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands())


# Help


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_has_help(path: str) -> None:
    command = ALL[path]
    assert command.help, f"{path}: give its function a docstring."
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts[0]}: give it help=."
            assert parameter.help[0].isupper(), f"{path} {parameter.opts[0]}: begin its help with a capital."


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    first = (ALL[f"kata {name}"].help or "").partition("\n")[0]
    line = COMMANDS[name][1]
    assert first.rstrip(".:").startswith(line.rstrip(".")), (
        f"`kata --help` says {line!r} and `kata {name} --help` {first!r}: let the first begin the second."
    )


def test_help_is_shown_without_a_command(course: Course) -> None:
    answer = course.kata()
    assert answer.status == 0
    assert all(name in answer.out for name in COMMANDS)
    assert answer == course.kata("--help") == course.kata("-h")


@pytest.mark.parametrize("path", ALL)
def test_help_of_every_command_can_be_shown(course: Course, path: str) -> None:
    answer = course.kata(*path.split()[1:], "--help")
    assert answer.status == 0
    assert f"Usage: {path}" in answer.out


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chekc"], "Did you mean 'check'?"),
        (["check"], "Missing argument"),
        (["check", "01-toy", "--sed", "1"], "--seed"),
        (["check", "01-toy", "--seed", "-1"], "range"),
        (["check", "01-toy", "--sandbox", "dokcer"], "docker"),
        (["check", "to-queue"], "Did you mean 02-toy-queue?"),
        (["check", "toy-que"], "No submission"),
        (["check", "7"], "`kata list` shows all"),
        (["check", "01-toy", "--only", "refuse"], "Did you mean refuses?"),
        (["check", "01-toy", "--report", "jsn=x"], "Did you mean json?"),
        (["check", "01-toy", "--report", "json"], "--report json=report.json"),
        (["check", "01-toy", "--report", "json=no/such/x"], "doesn't exist"),
        (["check", "01-toy", "--report", "json=."], "is a folder"),
        (["check", "01-toy", "missing.py"], "missing.py"),
        (["hint", "01-toy", "bluk"], "Did you mean bulk?"),
        (["hint", "02-toy-queue"], "has no hints"),
        (["report", "01-toy"], "`kata check 01-toy` grades it"),
        (["solution", "01-toy"], "Add --yes"),
        (["dev", "check"], "--all"),
        (["dev", "new", "Toy"], "28-leases"),
    ],
)
def test_wrong_usage_names_the_way_out(course: Course, arguments: list[str], says: str) -> None:
    answer = course.kata(*arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("kata: ")
    assert says in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("name", ["1", "01", "01-toy", "01-Toy", "01-t"])
def test_an_exercise_may_be_named_in_many_ways(course: Course, name: str) -> None:
    assert course.kata("start", name).status == 0
    assert (course.here / "01-toy" / "counter.py").is_file()


def test_hostile_names_do_not_reach_the_terminal(course: Course) -> None:
    answer = course.kata("check", "01-toy", "\x1b]0;owned\x07.py")
    assert answer.status == 2
    assert "\x1b" not in answer.err
    assert "\\x1b" in answer.err


# Our faults


def test_a_fault_of_ours_is_kept_in_a_file_and_said_in_a_line(course: Course) -> None:
    answer = course.kata("check", "1", str(course.submission("fault")), "--seed", "7")
    assert answer.status == 3
    assert "Traceback" not in answer.err
    assert "secret details" not in answer.err
    (crash,) = (course.state / "crashes").iterdir()
    assert str(crash) in answer.err
    text = crash.read_text()
    assert "RuntimeError: secret details" in text
    assert "'--seed' '7'" in text
    assert course.launcher.started[0].closed


def test_a_fault_can_be_kept_even_without_a_state_folder(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    (course.here / "file").touch()
    monkeypatch.setenv("KATA_HOME", str(course.here / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(course.here))
    answer = course.kata("check", "1", str(course.submission("fault")))
    assert answer.status == 3
    match = re.search(r"written in (\S+);", answer.err)
    assert match
    assert "secret details" in Path(match[1]).read_text()


def test_windows_is_sent_to_wsl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from kata.cli import main

    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "wsl --install" in capsys.readouterr().err


def test_a_closed_pipe_is_no_fault() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m kata list | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=TOY.parent.parent,
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")


# list, start, hint, solution, report, status


def test_list_shows_topics_scores_and_the_next_step(course: Course) -> None:
    assert "Begin with `kata start 01-toy`." in course.kata("list").out
    course.kata("check", "1", str(course.submission(PARTLY)))
    out = course.kata("list").out
    assert re.search(r"^Warming up$", out, re.MULTILINE)
    assert re.search(r"01-toy .*  60$", out, re.MULTILINE)
    assert re.search(r"02-toy-queue .*  not started$", out, re.MULTILINE)
    assert "Go on with `kata check 01-toy`." in out
    course.kata("check", "1", str(course.submission(SOLVED)))
    assert "solved 100" in course.kata("list").out


def test_list_as_json(course: Course) -> None:
    course.kata("check", "1", str(course.submission(PARTLY)))
    first, second = json.loads(course.kata("list", "--json").out)
    assert first == {
        "id": "01-toy",
        "title": "A counter that forgets nothing",
        "topic": "Warming up",
        "state": "scored",
        "score": 60,
        "max_score": 100,
        "sandbox": "docker",
        "attempts": 1,
    }
    assert (second["state"], second["score"]) == ("not started", None)


def test_start_says_what_it_made_and_what_it_kept(course: Course) -> None:
    answer = course.kata("start", "1", "mine")
    assert answer.status == 0
    assert "mine/counter.py" in answer.out
    assert "kata check 01-toy" in answer.out
    (course.here / "mine" / "counter.py").write_text("my work")
    (course.here / "mine" / "README.md").unlink()
    again = course.kata("start", "1", "mine")
    assert again.status == 0
    assert "was left as it is" in again.out
    assert (course.here / "mine" / "counter.py").read_text() == "my work"
    assert (course.here / "mine" / "README.md").is_file()


def test_hints_go_rung_by_rung_through_what_is_unmet(course: Course) -> None:
    first = course.kata("hint", "1").out
    assert "Something must outlive the call." in first
    assert "Hint 1 of 3  new" in first
    course.kata("check", "1", str(course.submission(PARTLY)))
    second = course.kata("hint", "1").out
    assert second.startswith("refuses ")
    assert "Which comes first" in second
    assert "Refuse before" not in second
    third = course.kata("hint", "1").out
    assert "Hint 1 of 2  used before" in third
    assert "Hint 2 of 2  new" in third
    assert "All hints for refuses are open." in third
    assert "new" not in course.kata("hint", "1").out
    assert "2 more are locked" not in course.kata("hint", "1", "counts").out
    course.kata("check", "1", str(course.submission(SOLVED)))
    done = course.kata("hint", "1")
    assert done.status == 0
    assert "Nothing is unmet" in done.out


def test_the_solution_is_asked_for_while_unsolved(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    assert course.kata("solution", "1", "--yes").out.startswith("class Counter:")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    questions: list[str] = []

    def refuse(question: str, default: bool) -> bool:
        questions.append(question)
        return default

    monkeypatch.setattr("click.confirm", refuse)
    declined = course.kata("solution", "1")
    assert (declined.status, len(questions)) == (0, 1)
    assert "class Counter" not in declined.out
    course.kata("check", "1", str(course.submission(SOLVED)))
    shown = course.kata("solution", "1").out
    assert len(questions) == 1
    assert "class Counter" in shown
    assert "The check stands before the change" in shown


def test_the_last_report_again(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[str] = []
    monkeypatch.setattr("click.launch", lambda url: launched.append(url) or 0)
    course.kata("check", "1", str(course.submission(PARTLY)))
    assert "60/100" in course.kata("report", "1").out
    written = course.kata("report", "1", "--report", "json=again.json")
    assert written.status == 0
    assert json.loads((course.here / "again.json").read_text())["score"] == 60
    opened = course.kata("report", "1", "--open")
    assert opened.status == 0
    page = course.state / "reports" / "01-toy.html"
    assert launched == [page.as_uri()]
    assert page.is_file()


def test_status_adds_everything_up(course: Course) -> None:
    assert "Nothing is begun yet" in course.kata("status").out
    course.kata("start", "2")
    course.kata("check", "1", str(course.submission(SOLVED)))
    course.kata("check", "1", str(course.submission(PARTLY)))
    course.kata("hint", "1")
    out = course.kata("status").out
    assert re.search(r"01-toy +60 +100 +2 +1  docker$", out, re.MULTILINE)
    assert re.search(r"02-toy-queue +– +– +0 +0$", out, re.MULTILINE)
    assert re.search(r"correctness  ━+╌+ +40 of 140$", out, re.MULTILINE)
    assert re.search(r"failure      ━+ +40 of 40$", out, re.MULTILINE)
    assert "1 solved, 1 begun, 0 to go, of 2." in out


def test_a_practice_score_is_marked(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    info = course.launcher.info()
    practice = type(info)(name="process", for_grades=False)
    monkeypatch.setattr(course.launcher, "info", lambda: practice)
    course.kata("check", "1", str(course.submission(PARTLY)))
    assert re.search(r"  60\*$", course.kata("list").out, re.MULTILINE)
    assert re.search(r"60\* .* process$", course.kata("status").out, re.MULTILINE)


def test_corrupt_progress_is_told_and_goes_on(course: Course) -> None:
    course.state.mkdir()
    (course.state / "progress.json").write_text("{oops")
    answer = course.kata("list")
    assert answer.status == 0
    assert "set aside as progress.json.corrupt-" in answer.err
    assert "not started" in answer.out
    assert course.kata("list").err == ""


# doctor, sandbox, dev


def test_doctor_says_what_will_be_used_and_how_to_get_more(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [
        Offer(name="docker", available=False, summary="No docker daemon answers.", remedy="Start it."),
        Offer(name="bubblewrap", available=True, summary="bwrap works.", facts=(("version", "0.8"),)),
        Offer(name="process", available=True, summary="Always there."),
    ]
    monkeypatch.setattr("kata.sandbox.choose.survey", lambda: offers)
    answer = course.kata("doctor")
    assert answer.status == 0
    assert "✗ docker" in answer.out
    assert "→ Start it." in answer.out
    assert "version 0.8" in answer.out
    assert "`kata check` uses bubblewrap" in answer.out
    assert str(course.state) in answer.out or "state" in answer.out
    monkeypatch.setattr("kata.sandbox.choose.survey", lambda: offers[:1])
    assert course.kata("doctor").status == 3
    monkeypatch.setattr("kata.sandbox.choose.survey", lambda: offers[2:])
    assert "not for grades" in course.kata("doctor").out


@pytest.mark.parametrize(
    ("platform_name", "release", "says"),
    [("darwin", "23.1.0", "Docker Desktop"), ("linux", "5.15.1-microsoft-standard-WSL2", "WSL")],
)
def test_doctor_knows_its_platforms(
    course: Course, monkeypatch: pytest.MonkeyPatch, platform_name: str, release: str, says: str
) -> None:
    monkeypatch.setattr("kata.sandbox.choose.survey", list)
    monkeypatch.setattr("platform.release", lambda: release)
    monkeypatch.setattr("sys.platform", platform_name)
    assert says in course.kata("doctor").out


def test_sandbox_build_and_prune(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def build(progress, base):  # type: ignore[no-untyped-def]
        progress("Building the sandbox image (2/4): resolving its packages")
        asked.append(base)

    state = ImageState(tag="kata-sandbox:1", id="x", base="debian", python="3.11.2", size_bytes=210_000_000)
    monkeypatch.setattr("kata.sandbox.image.build", build)
    monkeypatch.setattr("kata.sandbox.image.image_state", lambda: state)
    built = course.kata("sandbox", "build", "--base", "debian")
    assert (built.status, asked) == (0, ["debian"])
    assert "(2/4)" in built.err
    assert "Python 3.11.2, 210 MB" in built.out

    monkeypatch.setattr("kata.sandbox.image.prune", lambda everything: ["image a"] if everything else [])
    assert "nothing to remove" in course.kata("sandbox", "prune").out
    assert "image a" in course.kata("sandbox", "prune", "--all").out


def test_dev_new_names_its_files(course: Course) -> None:
    (course.here / "pyproject.toml").touch()
    (course.here / "exercises").mkdir()
    answer = course.kata("dev", "new", "28-leases")
    assert answer.status == 0
    assert "exercises/28-leases/exercise.toml" in answer.out
    assert "kata dev check 28-leases" in answer.out


@pytest.mark.parametrize(("severity", "status"), [(None, 0), ("warning", 0), ("error", 1), ("inconclusive", 3)])
def test_dev_check_says_what_to_mend(
    course: Course, monkeypatch: pytest.MonkeyPatch, severity: str | None, status: int
) -> None:
    from kata.authoring.findings import ExerciseReport, Finding, Row, Summary

    found = Finding(
        severity=severity or "error", file="a.py", line=3, message="It is odd.", remedy="Mend it.", detail="KeyError: 3"
    )  # type: ignore[arg-type]
    row = Row(submission="forgets", named=frozenset({"counts"}), allowed=frozenset(), marks={"counts": "lost"})
    summary = Summary(requirements=("counts", "bulk"), rows=(row,), checks=3, stub_score=0, runs=9)

    def check_exercises(exercises, launcher, *, seeds, first_seed, jobs, full, progress):  # type: ignore[no-untyped-def]
        progress(1, 9, "01-toy stub")
        assert (seeds, first_seed, jobs, full) == (7, 1, None, len(exercises) == 1)
        return [
            ExerciseReport(exercise=e.id, findings=(found,) if severity else (), summary=summary) for e in exercises
        ]

    monkeypatch.setattr("kata.authoring.check.check_exercises", check_exercises)
    answer = course.kata("dev", "check", "1", "--seeds", "7", "--full")
    assert answer.status == status
    assert "forgets  ✗?  counts" in answer.out
    if severity:
        assert "a.py:3" in answer.out
        assert "KeyError: 3" in answer.out
        assert "→ Mend it." in answer.out
    assert "With --full" not in answer.out
    everything = course.kata("dev", "check", "--all", "--seeds", "7").out
    assert "02-toy-queue" in everything
    assert "With --full it also sees" in everything


# Colours, imports, completion


def test_colours_on_a_terminal_only_and_never_with_no_color(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda stream, color: color is False)
    assert "\x1b[" in course.kata("list").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in course.kata("list").out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kata ", list(COMMANDS)),
        ("kata che", ["check"]),
        ("kata check ", ["01-toy", "02-toy-queue"]),
        ("kata check queue", ["02-toy-queue"]),
        ("kata check 1 --only ", ["counts", "bulk", "refuses"]),
        ("kata check 1 --only b", ["bulk"]),
        ("kata check nothing --only ", []),
        ("kata hint 01-toy re", ["refuses"]),
        ("kata check 1 --sandbox d", ["docker"]),
        ("kata check 1 --report ju", ["junit="]),
        ("kata check 1 --report json=rep", ["json=rep"]),
        ("kata dev check 0", ["01-toy", "02-toy-queue"]),
    ],
)
def test_completion(course: Course, line: str, offered: list[str]) -> None:
    environment = {
        **os.environ,
        "_KATA_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "PYTHONPATH": str(TOY.parent.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from kata.cli import main; main()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert [entry.partition(",")[2] for entry in done.stdout.split()] == offered
