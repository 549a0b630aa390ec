"""Submissions that are broken, endless or hostile: each gets a clear report, the right status, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from leftovers import lasting, left_behind, orphans
from toy import TOY

from kata.exercise import Limits

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = (ROOT / "solutions/15-caching/cache_aside.py").read_text("utf-8")
COUNTER = (TOY / "solutions/01-toy/counter.py").read_text("utf-8")
IN_GET = """\
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
"""
IN_ADD = "        if amount < 0:\n"
SHORT_LIMITS = "\n[limits]\ncheck_seconds = 2\ncall_seconds = 0.5\nrun_seconds = 30\n"

SANDBOXES = [
    "process",
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    pytest.param("docker", marks=pytest.mark.docker),
]


class Bad(NamedTuple):
    """A submission, and what its report must say."""

    source: str | bytes
    says: str
    """A regular expression for the first message."""
    advice: str
    """Another for what to do next."""
    status: int = 1


def getting(statement: str) -> str:
    """The reference, whose `get` does that first."""
    assert REFERENCE.count(IN_GET) == 1
    return REFERENCE.replace(IN_GET, f"        {statement}\n{IN_GET}")


def adding(statement: str) -> str:
    """The toy's reference, whose `add` does that first."""
    assert COUNTER.count(IN_ADD) == 1
    return COUNTER.replace(IN_ADD, f"        {statement}\n{IN_ADD}")


def background(statement: str) -> str:
    """The toy's reference, whose `add` begins a task that does that."""
    task = f"import asyncio\n\nasync def work():\n    {statement}\n\n"
    return task + adding("asyncio.get_running_loop().create_task(work())")


NOT_LOADED = {
    "empty": Bad("", r"cache_aside\.py is empty", "stub"),
    "blank": Bad("\n\n  \n", r"cache_aside\.py is empty", "stub"),
    "defines something else": Bad(
        REFERENCE.replace("CacheAside", "CacheAsside"), "does not define CacheAside", "It has CacheAsside"
    ),
    "syntax error": Bad(
        REFERENCE.replace("async def invalidate(", "async def invalidate["),
        r"can't be imported: SyntaxError: .*line \d+",
        "can't read the file",
    ),
    "imports what isn't there": Bad(
        f"import no_such_package_of_mine\n{REFERENCE}", "no_such_package_of_mine", "Only the standard library"
    ),
    "not UTF-8": Bad(
        REFERENCE.replace("beside", "près de").encode("latin-1"), "can't be imported: SyntaxError.*utf-8", "UTF-8"
    ),
    "null bytes": Bad(REFERENCE + "\0", "can't be imported: .*null bytes", "can't read the file"),
    "raises at import": Bad(f"{REFERENCE}\nCacheAside()\n", "can't be imported: TypeError", "must only define"),
    "recurses at import": Bad("def f():\n    return f()\n\n\nf()\n", "RecursionError", "must only define"),
    "sys.exit at import": Bad("import sys\n\nsys.exit('bye')\n", "SystemExit: bye", "must only define"),
    "os._exit at import": Bad("import os\n\nos._exit(0)\n", "ended by itself: exit status 0", "os._exit"),
}

IN_A_CALL = {
    "sys.exit in get": Bad(getting("raise SystemExit(4)"), r"get\('ada'\) raised SystemExit: 4", r"Line \d+"),
    "os._exit in get": Bad(getting("__import__('os')._exit(4)"), "ended by itself: exit status 4", "os._exit"),
    "recurses in get": Bad(getting("return await self.get(key)"), "RecursionError", "without end"),
    "prints a megabyte in get": Bad(getting("print('x' * 1_000_000)"), "", "", 0),
    "prints a megabyte at import": Bad(f"print('x' * 1_000_000)\n{REFERENCE}", "", "", 0),
}

ENDLESS = {
    "at import": Bad("while True:\n    pass\n", r"kept running .* stopped on line [12] of counter\.py", "never ends"),
    "in a call": Bad(adding("while True: pass"), r"kept running .* stopped on line \d+ of counter\.py", "never ends"),
    "in a task that never awaits": Bad(
        background("while True: pass"),
        r"kept running .* stopped on line \d+ of counter\.py",
        "never ends",
    ),
    "blocked for good": Bad(
        adding("import threading; threading.Event().wait()"), r"was stopped|never answered", "never ends|released"
    ),
    "polling for ever": Bad(
        background("while True: await asyncio.sleep(0)"),
        "still busy|kept running|used up",
        "loop|work",
    ),
}


class Ran(NamedTuple):
    status: int
    out: str
    err: str
    report: dict
    seconds: float
    pid: int


@pytest.fixture
def check(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Ran]:
    """`kata check` as a process of its own; afterwards nothing of it may be left."""

    def run(exercise: str, path: Path, sandbox: str, content: Path = ROOT) -> Ran:
        if sandbox == "docker":
            request.getfixturevalue("docker_image")
        environment = {**os.environ, "KATA_HOME": str(tmp_path / "home"), "KATA_CONTENT": str(content)}
        environment["PYTHONPATH"] = str(ROOT)
        environment["COLUMNS"] = "200"
        target = tmp_path / "report.json"
        command = [sys.executable, "-m", "kata", "check", exercise, str(path), "--sandbox", sandbox, "--seed", "7"]
        orphans_before = orphans()
        begun = time.monotonic()
        with subprocess.Popen(
            [*command, "--report", f"json={target}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        ) as process:
            out, err = process.communicate(timeout=240)
        report = json.loads(target.read_bytes()) if target.exists() else {}
        ran = Ran(process.returncode, out, err, report, time.monotonic() - begun, process.pid)
        assert "Traceback" not in out + err
        assert left_behind(ran.pid) == []
        assert lasting(orphans() - orphans_before) == set()
        return ran

    return run


@pytest.fixture
def impatient_course(tmp_path: Path) -> Callable[[str], Path]:
    """The toy course with short limits, so that what is endless is soon stopped."""

    def make(limits: str = SHORT_LIMITS) -> Path:
        root = tmp_path / "course"
        shutil.copytree(TOY, root)
        with (root / "exercises/01-toy/exercise.toml").open("a", encoding="utf-8") as file:
            file.write(limits)
        return root

    return make


def written(folder: Path, name: str, source: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return path


def first_failure(report: dict) -> dict:
    if report["problem"]:
        return report["problem"]
    checks = [check for requirement in report["requirements"] for check in requirement["checks"]]
    return next(check["failure"] for check in checks if check["failure"])


def tells(ran: Ran, bad: Bad) -> None:
    """The report says what happened and what to do, in the same words on the terminal."""
    assert ran.status == bad.status, ran.out + ran.err
    if bad.status == 0:
        return
    failure = first_failure(ran.report)
    assert failure["kind"] != "our-fault"
    assert re.search(bad.says, failure["message"]), failure
    assert re.search(bad.advice, failure["advice"]), failure
    assert re.search(bad.says, ran.out)
    assert ran.report["outcome"] == "unmet"


# What can't even be read


@pytest.mark.parametrize("name", ["missing.py", "a folder", "unreadable.py"])
def test_what_cannot_be_read_is_wrong_usage(check, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a folder":
        path.mkdir()
    elif name == "unreadable.py":
        path.symlink_to(tmp_path / "nowhere")
    ran = check("15-caching", path, "process")
    assert (ran.status, ran.out) == (2, "")
    assert name in ran.err
    assert "cache_aside.py" in ran.err


# What can't be imported, or lacks what it must have


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("name", NOT_LOADED)
def test_what_cannot_be_loaded_is_told(check, tmp_path: Path, name: str, sandbox: str) -> None:
    bad = NOT_LOADED[name]
    ran = check("15-caching", written(tmp_path, "cache_aside.py", bad.source), sandbox)
    tells(ran, bad)
    assert ran.report["problem"]["kind"] == "load"
    assert ran.report["score"] == 0
    places = [(place["file"], place["line"]) for place in ran.report["problem"].get("places", ())]
    assert len(set(places)) == len(places) < 5


# What breaks when it is called


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("name", IN_A_CALL)
def test_what_breaks_in_a_call_is_told(check, tmp_path: Path, name: str, sandbox: str) -> None:
    bad = IN_A_CALL[name]
    ran = check("15-caching", written(tmp_path, "cache_aside.py", bad.source), sandbox)
    tells(ran, bad)
    if bad.status:
        assert ran.report["score"] == 0
        wrong = ran.report["requirements"][0]["checks"][0]["transcript"][-1]
        assert wrong["expected"] == "an answer"
    else:
        assert len(ran.report["output"]) <= 64 * 1024
        assert len(ran.out) < 64 * 1024


# What never ends


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_stopped_and_told(
    check, tmp_path: Path, impatient_course: Callable[[], Path], name: str, sandbox: str
) -> None:
    bad = ENDLESS[name]
    ran = check("01-toy", written(tmp_path, "counter.py", bad.source), sandbox, impatient_course())
    tells(ran, bad)
    assert ran.report["score"] == 0
    assert ran.report["phases"]["total_seconds"] < 45


@pytest.fixture
def one_lane() -> Iterator[None]:
    """On a single core, checks run one after the other."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def test_who_wastes_the_run_s_time_loses_the_rest(check, tmp_path: Path, impatient_course, one_lane) -> None:
    course = impatient_course(SHORT_LIMITS.replace("run_seconds = 30", "run_seconds = 0.5"))
    ran = check("01-toy", written(tmp_path, "counter.py", adding("while True: pass")), "process", course)
    assert ran.status == 1
    stopped, skipped, refused = (requirement["checks"][0] for requirement in ran.report["requirements"])
    assert "was stopped" in stopped["failure"]["message"]
    assert skipped["outcome"] == "skipped"
    assert refused["outcome"] == "unmet"
    assert "time was up" in refused["failure"]["message"]


def test_a_run_whose_time_was_up_by_itself_is_inconclusive(check, tmp_path: Path, impatient_course) -> None:
    course = impatient_course(SHORT_LIMITS.replace("run_seconds = 30", "run_seconds = 0.001"))
    ran = check("01-toy", written(tmp_path, "counter.py", COUNTER), "process", course)
    assert ran.status == 3
    assert ran.report["requirements"][0]["outcome"] == "inconclusive"
    assert "time was up" in ran.report["requirements"][0]["checks"][0]["failure"]["message"]


@pytest.mark.slow
def test_a_submission_that_is_stuck_everywhere_is_graded_all_the_same(check, tmp_path: Path) -> None:
    """Its fifty checks would last far longer than a run may: that must not make it our fault.

    All limits are a quarter of what they are: their proportions decide.
    """
    course = tmp_path / "course"
    for name in ("exercises", "graders", "solutions"):
        shutil.copytree(ROOT / name / "15-caching", course / name / "15-caching")
    limits = Limits()
    quarter = {name: getattr(limits, name) / 4 for name in ("check_seconds", "call_seconds", "run_seconds")}
    with (course / "exercises/15-caching/exercise.toml").open("a", encoding="utf-8") as file:
        file.write("\n[limits]\n" + "".join(f"{name} = {value}\n" for name, value in quarter.items()))
    path = written(tmp_path, "cache_aside.py", getting("while True: pass"))
    ran = check("15-caching", path, "process", course)
    tells(ran, Bad("", r"kept running .* stopped on line \d+", "never ends"))
    assert ran.report["score"] == 0
    assert {requirement["outcome"] for requirement in ran.report["requirements"]} == {"unmet"}
