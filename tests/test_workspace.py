from __future__ import annotations

import errno
import json
import multiprocessing
from pathlib import Path

import msgspec
import pytest
from toy import TOY, report_of

from kata.catalog import Catalog
from kata.errors import KataError, UsageError
from kata.exercise import Exercise
from kata.report.model import Outcome, Report, RequirementResult, SandboxInfo
from kata.workspace import Record, State, make_workspace, state_folder, write_atomically

WRITERS = 4
WRITES_EACH = 25


@pytest.fixture
def exercise() -> Exercise:
    return Catalog(TOY).get("01-toy")


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def made(
    exercise: Exercise,
    *outcomes: Outcome,
    digest: str = "aa",
    only: tuple[str, ...] = (),
    sandbox: str = "docker",
) -> Report:
    """A report with these outcomes for the first requirements of the exercise."""
    rows = [
        RequirementResult(
            id=requirement.id,
            category=requirement.category,
            text=requirement.text,
            points=requirement.points,
            earned=requirement.points if outcome == "met" else 0,
            outcome=outcome,
        )
        for requirement, outcome in zip(exercise.requirements, outcomes, strict=False)
    ]
    info = SandboxInfo(name=sandbox, for_grades=sandbox != "process")  # type: ignore[arg-type]
    return report_of(exercise, digest, info, rows, only=only)


def test_state_lives_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KATA_HOME", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("KATA_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert state_folder().name == "kata"


def test_nothing_is_known_at_first(state: State) -> None:
    assert state.records() == {}
    assert state.record("01-toy").standing == "not started"
    assert state.last_report("01-toy") is None


def test_a_full_run_is_kept_and_counted(state: State, exercise: Exercise) -> None:
    report = made(exercise, "met", "unmet", "met")
    before, after = state.ran(report)
    assert before == Record()
    assert after.attempts == 1
    assert after.best is not None
    assert (after.best.score, after.best.sandbox) == (80, "docker")
    assert after.best.categories == {"correctness": (40, 40), "timing": (0, 20), "failure": (40, 40)}
    assert after.outcomes == {"counts": "met", "bulk": "unmet", "refuses": "met"}
    assert after.standing == "scored"
    assert State(state.folder).record("01-toy") == after
    assert state.last_report("01-toy") == report


def test_the_best_score_stays_when_a_later_one_is_lower(state: State, exercise: Exercise) -> None:
    state.ran(made(exercise, "met", "met", "met"))
    after = state.ran(made(exercise, "unmet", "met", "met", digest="bb")).after
    assert after.best is not None
    assert after.last is not None
    assert (after.best.score, after.last.score, after.attempts) == (100, 60, 2)
    assert after.standing == "solved"


def test_the_same_submission_again_is_no_new_attempt(state: State, exercise: Exercise) -> None:
    state.ran(made(exercise, "met", "unmet", "met"))
    assert state.ran(made(exercise, "met", "unmet", "met")).after.attempts == 1


def test_an_inconclusive_run_keeps_everything_but_the_last(state: State, exercise: Exercise) -> None:
    earlier = state.ran(made(exercise, "met", "unmet", "met")).after
    after = state.ran(made(exercise, "inconclusive", "unmet", "unmet", digest="bb")).after
    assert after == msgspec.structs.replace(earlier, last=after.last)
    assert after.last is not None
    assert after.last.outcome == "inconclusive"


def test_a_restricted_run_changes_its_requirements_and_no_score(state: State, exercise: Exercise) -> None:
    earlier = state.ran(made(exercise, "unmet", "unmet", "met")).after
    after = state.ran(made(exercise, "met", digest="bb", only=("counts",))).after
    assert (after.best, after.attempts) == (earlier.best, earlier.attempts)
    assert after.outcomes == {"counts": "met", "bulk": "unmet", "refuses": "met"}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("process", "docker", "docker"),
        ("docker", "process", "docker"),
        ("docker", "bubblewrap", "docker"),
    ],
)
def test_a_graded_score_replaces_an_equal_practice_score(
    state: State, exercise: Exercise, first: str, second: str, kept: str
) -> None:
    state.ran(made(exercise, "met", "unmet", "met", sandbox=first))
    after = state.ran(made(exercise, "met", "unmet", "met", sandbox=second)).after
    assert after.best is not None
    assert after.best.sandbox == kept


def test_a_better_practice_score_counts_and_is_marked(state: State, exercise: Exercise) -> None:
    state.ran(made(exercise, "met", "unmet", "met"))
    after = state.ran(made(exercise, "met", "met", "met", sandbox="process")).after
    assert after.best is not None
    assert (after.best.score, after.best.for_grades) == (100, False)


def test_rungs_are_opened_one_by_one_up_to_the_last(state: State) -> None:
    opened = [state.open_rung("01-toy", "counts", 2).after.hints for _ in range(3)]
    assert opened == [{"counts": 1}, {"counts": 2}, {"counts": 2}]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b'{"format": 1, "exercises": {"01-toy": 7}}',
        b'{"format": "\xff"}',
        b"null",
    ],
)
def test_progress_that_cannot_be_understood_is_set_aside(tmp_path: Path, content: bytes) -> None:
    notices: list[str] = []
    (tmp_path / "progress.json").write_bytes(content)
    state = State(tmp_path, notice=notices.append)
    assert state.records() == {}
    assert state.open_rung("01-toy", "counts", 3).after.hints == {"counts": 1}
    (aside,) = tmp_path.glob("progress.json.corrupt-*")
    assert aside.read_bytes() == content
    assert len(notices) == 1
    assert aside.name in notices[0]


def test_progress_of_a_newer_kata_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text('{"format": 2, "tables": []}')
    state = State(tmp_path)
    for use in (state.records, lambda: state.open_rung("01-toy", "counts", 3)):
        with pytest.raises(KataError, match="newer kata"):
            use()
    assert [path.name for path in tmp_path.glob("progress*")] == ["progress.json"]


def test_a_report_that_cannot_be_understood_is_set_aside(state: State, exercise: Exercise) -> None:
    state.ran(made(exercise, "met"))
    path = state.folder / "reports" / "01-toy.json"
    path.write_text('{"format": 1}')
    assert state.last_report("01-toy") is None
    assert not path.exists()
    assert list(path.parent.glob("01-toy.json.corrupt-*"))


def test_a_state_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    state = State(tmp_path / "state")
    with pytest.raises(KataError, match="can't be") as caught:
        state.open_rung("01-toy", "counts", 3)
    assert "KATA_HOME" in caught.value.remedy


def _write_often(folder: Path, name: str) -> None:
    state = State(folder)
    for _ in range(WRITES_EACH):
        state.open_rung("01-toy", name, 1_000)
        state.open_rung("01-toy", "shared", 1_000)


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    names = [f"req-{letter}" for letter in "abcd"[:WRITERS]]
    writers = [context.Process(target=_write_often, args=(tmp_path, name)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    hints = State(tmp_path).record("01-toy").hints
    assert hints == {**dict.fromkeys(names, WRITES_EACH), "shared": WRITERS * WRITES_EACH}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "progress.json"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_workspace_has_what_is_needed_and_no_hint(exercise: Exercise, tmp_path: Path) -> None:
    made = make_workspace(exercise, tmp_path / "new" / "folder")
    assert made.written == ("README.md", "counter.py", "HINTS.md")
    page = (tmp_path / "new" / "folder" / "HINTS.md").read_text()
    assert "kata hint 01-toy counts" in page
    assert not any(rung in page for rungs in exercise.hints.values() for rung in rungs)


def test_a_workspace_never_overwrites(exercise: Exercise, tmp_path: Path) -> None:
    (tmp_path / "counter.py").write_text("my work")
    (tmp_path / "elsewhere").write_text("not here")
    (tmp_path / "HINTS.md").symlink_to(tmp_path / "missing")
    made = make_workspace(exercise, tmp_path)
    assert made.written == ("README.md",)
    assert made.kept == ("counter.py", "HINTS.md")
    assert (tmp_path / "counter.py").read_text() == "my work"
    assert not (tmp_path / "missing").exists()


def test_a_workspace_below_a_file_is_refused(exercise: Exercise, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be used as a workspace"):
        make_workspace(exercise, tmp_path / "file")


def test_progress_is_plain_json(state: State, exercise: Exercise) -> None:
    state.started("01-toy", Path("somewhere"))
    state.ran(made(exercise, "met"))
    data = json.loads((state.folder / "progress.json").read_text())
    assert data["format"] == 1
    assert data["exercises"]["01-toy"]["workspace"].endswith("/somewhere")


def test_a_full_disk_of_the_state_says_what_to_do(
    state: State, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kata.workspace.write_atomically", full)
    with pytest.raises(KataError, match="No space left") as caught:
        state.started(exercise.id, Path("here"))
    assert caught.value.remedy.startswith("Make room on its disk")
