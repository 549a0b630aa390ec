"""Every attack in tests/attacks, in docker, in bubblewrap and inside a container: no points, and nothing left behind.

What an attack tries and what must come of it stands in its own docstring; `attack.py` reads that, and runs it.
"""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attack
import pytest
from attack import Trace
from browser import Browser, browser
from test_report_html import Page
from test_report_markdown import tokens

from kata.catalog import Catalog
from kata.cli.app import run as run_command
from kata.errors import EXIT_USAGE
from kata.grade import grade
from kata.report.html import html
from kata.report.model import Report, from_json
from kata.report.text import MARKS_MAX, encodable
from kata.sandbox import Connection, Launcher
from kata.sandbox.bubblewrap import BubblewrapLauncher
from kata.sandbox.process import ProcessLauncher
from kata.submission import read_submission

pytestmark = pytest.mark.slow

ATTACKS = attack.attacks()
BY_NAME = {each.name: each for each in ATTACKS}
LASTING = [
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    pytest.param("docker", marks=pytest.mark.docker),
]
"""Those that may take one submission after another of the same person."""
SANDBOXES = [*LASTING, pytest.param("inside", marks=pytest.mark.docker)]
HIDDEN = attack.hidden()
OURS = re.compile(r"kata/(supervisor|grading|sandbox)/|/_pytest/|INTERNALERROR")
"""What a traceback of our own would name."""

NEIGHBOURS = {
    "read": "read/every_process",
    "forge": "forge/kill_the_supervisor",
    "escape": "escape/parts_of_the_kernel",
    "exhaust": "exhaust/fork_bomb",
    "time": "time/burns_beside",
    "collude": "collude/file_locks",
    "special": "special/process_numbers",
    "archive": "archive/shipped_conftest",
    "report": "report/a_text_of_a_gigabyte",
}
"""Of each group the attack that the reference is graded beside."""
BESIDE = ("hit", "fresh", "errors")


@pytest.fixture(scope="session")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, pytest.FixtureRequest], Launcher]]:
    """Launchers by name, each made once; a canary stands in this process's environment meanwhile."""
    made: dict[str, Launcher] = {}

    def launcher(name: str, request: pytest.FixtureRequest) -> Launcher:
        if name not in made:
            if name in ("docker", "inside"):
                from foreign import ForeignLauncher

                from kata.sandbox.docker import DockerLauncher

                kind = DockerLauncher if name == "docker" else ForeignLauncher
                made[name] = kind(request.getfixturevalue("docker_image"))
            else:
                made[name] = BubblewrapLauncher() if name == "bubblewrap" else ProcessLauncher()
        return made[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KATA_CANARY", attack.CANARY)
        patch.setenv("KATA_HOME", str(tmp_path_factory.mktemp("kata-home")))
        yield launcher
        if "inside" in made:
            made["inside"].close()


@pytest.fixture
def launcher(request: pytest.FixtureRequest, launchers: Callable[..., Launcher], sandbox: str) -> Launcher:
    return launchers(sandbox, request)


# ---------------------------------------------------------------- each attack


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("name", [each.name for each in ATTACKS if each.outcome != "refused"])
def test_it_gains_nothing(launcher: Launcher, tmp_path: Path, name: str, sandbox: str) -> None:
    tried, trace = BY_NAME[name], Trace.begin()
    report = attack.run(tried, launcher, tmp_path, trace)
    failure = attack.first_failure(report)
    assert "BREACH" not in attack.printed(report)
    assert report.outcome == tried.outcome, failure
    assert report.score <= tried.score_max
    assert failure is not None
    says = tried.says_inside if sandbox == "inside" else tried.says
    assert re.search(says, f"{failure.message} {failure.advice}", re.DOTALL), failure
    assert attack.seconds_of(report) < tried.seconds_max
    assert trace.supervisor_mib < attack.SUPERVISOR_MIB_MAX
    assert trace.left() == []
    nothing_hidden_is_shown({"report": attack.told(report)})
    if sandbox == "bubblewrap":  # how it is drawn does not depend on where it was made, and takes time
        faces = attack.drawn(report)
        every_face_is_whole_and_inert(report, faces)
        nothing_hidden_is_shown(faces)


@pytest.mark.parametrize("name", [each.name for each in ATTACKS if each.outcome == "refused"])
def test_it_is_not_even_read(launchers: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    tried = BY_NAME[name]
    path = tried.submission(tmp_path)
    capsys.readouterr()
    assert run_command(["check", tried.exercise, str(path), "--sandbox", "process"]) == EXIT_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(tried.says, said.err)
    assert "Traceback" not in said.err
    assert_inert(said.err.replace("\n", " "))


@pytest.mark.parametrize("name", [each.name for each in ATTACKS if each.control])
def test_it_is_a_real_attack(
    request: pytest.FixtureRequest, launchers: Callable[..., Launcher], tmp_path: Path, name: str
) -> None:
    """Where nothing isolates, it does what must stay impossible: so its failure elsewhere means something."""
    report = attack.run(BY_NAME[name], launchers("process", request), tmp_path, Trace.begin())
    assert "BREACH" in attack.printed(report)


def test_there_are_enough_of_them() -> None:
    counts = Counter(each.group for each in ATTACKS)
    assert set(counts) == set(attack.GROUPS)
    assert len(ATTACKS) >= 80, counts
    assert set(NEIGHBOURS) == set(attack.GROUPS)
    assert set(NEIGHBOURS.values()) <= set(BY_NAME)


ODD = """
import itertools

SHAPES = itertools.cycle({shapes})


class Odd:
    def __init__(self, *values, **named):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **named: next(SHAPES)


for name in {names}:
    globals()[name] = type(name, (Odd,), {{}})
"""


@pytest.mark.parametrize(
    "shapes",
    [
        "[None]",
        "[float('nan'), [], {}, 'x', b'', -1, 10**4000, ((),), {None: 1}, [[]], True, ValueError(), object(), ...]",
    ],
)
@pytest.mark.parametrize("exercise_id", Catalog().ids())
def test_odd_answers_break_no_check(tmp_path: Path, exercise_id: str, shapes: str) -> None:
    """Whatever comes back, a check says what is wrong with it; a check that breaks would be our fault."""
    exercise = Catalog().get(exercise_id)
    (tmp_path / exercise.file).write_text(ODD.format(shapes=shapes, names=exercise.provides))
    report = grade(exercise, read_submission(tmp_path, exercise.file), ProcessLauncher(), seed=7)
    checks = [check for requirement in report.requirements for check in requirement.checks]
    assert [(check.id, check.failure) for check in checks if check.outcome == "inconclusive"] == []
    assert report.score < report.max_score / 4


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("exercise_id", Catalog().ids())
def test_nearly_right_answers_break_no_check(tmp_path: Path, exercise_id: str, seed: int) -> None:
    """The reference, some of whose answers and questions have an odd part: checks that get far enough to look at it."""
    exercise = Catalog().get(exercise_id)
    shutil.copy(Path(__file__).with_name("nearly_right.py"), tmp_path / exercise.file)
    shutil.copy(attack.reference_of(exercise), tmp_path / "right.py")
    report = grade(exercise, read_submission(tmp_path, exercise.file), ProcessLauncher(), seed=seed)
    assert report.problem is None
    checks = [check for requirement in report.requirements for check in requirement.checks]
    failures = [check.failure.message for check in checks if check.failure is not None]
    assert [message for message in failures if "itself broke" in message] == [], f"seed {seed}"


# ---------------------------------------------------------------- who is graded beside one


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("group", attack.GROUPS)
def test_neighbours_are_graded_as_ever(launcher: Launcher, tmp_path: Path, group: str, sandbox: str) -> None:
    """One run at the same time in a sandbox of its own, and one directly afterwards."""
    with ThreadPoolExecutor(1) as pool:
        attacked = pool.submit(attack.run, BY_NAME[NEIGHBOURS[group]], launcher, tmp_path, Trace.begin())
        beside = attack.run_reference("15-caching", launcher, BESIDE)
        attacked.result()
    after = attack.run_reference("15-caching", launcher, BESIDE)
    for report in (beside, after):
        assert report.outcome == "met", attack.first_failure(report)
        assert report.score == report.max_score
        assert "no capabilities" in report.sandbox.protections


@pytest.mark.parametrize("sandbox", LASTING)
@pytest.mark.parametrize("name", [*NEIGHBOURS.values(), "exhaust/daemons", "exhaust/memory_of_many"])
def test_what_follows_in_its_sandbox_is_graded_as_ever(
    launcher: Launcher, tmp_path: Path, name: str, sandbox: str
) -> None:
    """The same person's next submission, unless the sandbox is given up."""
    kept: list[Connection] = []
    attack.run(BY_NAME[name], launcher, tmp_path, Trace.begin(), keep=kept.append)
    for connection in kept:
        report = attack.run_reference("15-caching", launcher, BESIDE, connection)
        assert report.outcome == "met", attack.first_failure(report)
        assert report.score == report.max_score


# ---------------------------------------------------------------- what the report shows


def every_face_is_whole_and_inert(report: Report, faces: dict[str, str]) -> None:
    assert from_json(faces["json"].encode()) == encodable(report)
    json.loads(faces["gradescope"])
    json.loads(faces["check50"])
    ET.fromstring(faces["junit"])
    page = Page(faces["html"])
    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"script", "a", "img", "iframe", "link", "object", "form", "base"}
    assert not [key for _, found in page.elements for key in found if key.startswith("on") or key in ("href", "src")]
    kinds = {token.type for token in tokens(faces["markdown"])}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "hr", "code_block"}
    for name in ("terminal of 100", "html", "markdown", "junit"):
        assert_inert(faces[name].replace("\n", " "))
    assert_inert(re.sub(r"\x1b\[[0-9;]*m", "", faces["terminal of 60"]).replace("\n", " "))


def assert_inert(text: str) -> None:
    """Nothing in it moves a cursor, hides, reorders what stands beside it, or grows over the lines around it."""
    odd = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert odd == set()
    marks = "".join("m" if unicodedata.category(char) in ("Mn", "Me") else " " for char in text)
    assert max(map(len, marks.split()), default=0) <= MARKS_MAX


def nothing_hidden_is_shown(faces: dict[str, str]) -> None:
    for name, face in faces.items():
        assert [text for text in HIDDEN if text in face] == [], name
        assert not OURS.search(face), name


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.mark.browser
@pytest.mark.parametrize("name", [each.name for each in ATTACKS if each.group == "report"])
def test_its_page_runs_nothing(
    request: pytest.FixtureRequest,
    launchers: Callable[..., Launcher],
    chromium: Browser,
    tmp_path: Path,
    name: str,
) -> None:
    report = attack.run(BY_NAME[name], launchers("process", request), tmp_path, Trace.begin())
    (tmp_path / "page.html").write_bytes(html(report))
    chromium.open(tmp_path / "page.html")
    assert not chromium.evaluate("document.title").startswith("owned")
    assert chromium.evaluate("document.scripts.length + document.images.length + document.links.length") == 0
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 1280
    asked = [each for each in chromium.events if each["method"] == "Network.requestWillBeSent"]
    assert len(asked) == 1
    assert [each for each in chromium.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []
