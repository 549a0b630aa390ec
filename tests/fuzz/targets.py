"""What parses hostile data, each as a function of bytes that may only end well, or with the error it declares.

`tests/test_fuzz.py` tries them on a few hundred inputs of Hypothesis; `python -m tests.fuzz TARGET` for as long as one
likes, with atheris.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attack
import msgspec
import reports
import test_grade
import toy

from kata import wire
from kata.catalog import Catalog
from kata.cohort import archives as unpacking
from kata.cohort.gradescope import METADATA, read_metadata
from kata.errors import ContentError, UsageError
from kata.exercise import Limits, read_exercise
from kata.grade import grade
from kata.grading.fakes import Store
from kata.report.model import from_json, to_json
from kata.report.text import encodable
from kata.submission import ENTRIES_MAX, FILE_BYTES_MAX, TOTAL_BYTES_MAX, check_name, read_folder
from kata.supervisor.failures import CheckFailed
from kata.supervisor.proxies import Call
from kata.supervisor.world import World
from tests.fuzz import NAMES

Target = Callable[[bytes], None]

_TURNS = msgspec.msgpack.Decoder(wire.Turn)
_DECODING_ERRORS = (msgspec.MsgspecError, wire.WireError, RecursionError, UnicodeDecodeError)
"""What `kata.supervisor.node` turns into a failure of the submission."""


class _Node:
    """As much of a student process as the world needs to hear it."""

    name = ""
    alive = True
    killed = False

    def __init__(self) -> None:
        self.mail: list[Any] = []


def student_frames(data: bytes) -> None:
    """One turn of a student process, as the supervisor hears it: a failure of the submission, or nothing."""
    try:
        turn = _TURNS.decode(data)
    except _DECODING_ERRORS:
        return
    world, node = World(None, Limits(), 1, {"a.py": b"x = 1\n"}), _Node()  # type: ignore[arg-type]
    Store(world, {"ada": b"v1"})
    for number in range(3):
        world.calls[number] = Call(world, node, f"call {number}", None)  # type: ignore[arg-type]
    try:
        world._hear(node, turn.messages)  # type: ignore[arg-type]
        world.run(lambda: False, until_ns=10**12)
        world._collect([each for each in turn.messages if isinstance(each, wire.Lines)])
    except CheckFailed:
        pass
    world.lines()
    for message in node.mail:
        msgspec.msgpack.encode(message)


def supervisor_events(data: bytes) -> None:
    """A supervisor's whole output, as the host reads it: always a report, and a pass only where every check has."""
    exercise = Catalog(toy.TOY).get("01-toy")
    launcher = toy.FakeLauncher()
    report = grade(exercise, test_grade.SUBMISSION, launcher, seed=7, connection=test_grade.Script(data))
    if report.outcome == "met":
        assert {check.outcome for each in report.requirements for check in each.checks} == {"met"}
        assert len(data) >= len(test_grade.stream(test_grade.events())) // 2
    if any(each.checks for each in report.requirements) or report.output:
        attack.drawn(report)  # what was cut off before that says the same whatever came


def submission_folders(data: bytes) -> None:
    """A folder whose names, kinds and sizes the bytes choose, read as a submission: by the rules, or refused."""
    with _temporary_folder() as folder:
        _plant(folder, data)
        try:
            files = read_folder(folder)
        except UsageError:
            return
        assert len(files) <= ENTRIES_MAX
        assert sum(map(len, files.values())) <= TOTAL_BYTES_MAX
        for name, content in files.items():
            check_name(name)
            assert len(content) <= FILE_BYTES_MAX
            assert not (folder / name).is_symlink()


def archives(data: bytes) -> None:
    """An archive whose kind the first byte chooses: unpacked by the rules, or refused."""
    ending = unpacking.ENDINGS[data[0] % len(unpacking.ENDINGS)] if data else ".zip"
    limits = unpacking.Limits(entries=10, file_bytes=10_000, total_bytes=20_000)
    with _temporary_folder() as folder:
        archive, inside = folder / f"x{ending}", folder / "inside"
        archive.write_bytes(data[1:])
        with contextlib.suppress(UsageError):
            unpacking.unpack(archive, inside, limits)
        assert {path.name for path in folder.iterdir()} <= {archive.name, "inside"}
        assert not any(path.is_symlink() for path in inside.rglob("*"))
        files = [path for path in inside.rglob("*") if not path.is_dir()]
        assert all(path.is_file() for path in files)
        assert len(files) <= limits.entries
        assert sum(path.stat().st_size for path in files) <= limits.total_bytes


def gradescope_metadata(data: bytes) -> None:
    """Who handed in which folder: names as text, or an error that names the file."""
    with _temporary_folder() as folder:
        (folder / METADATA).write_bytes(data)
        with contextlib.suppress(UsageError):
            for submitters in read_metadata(folder / METADATA).values():
                assert all(isinstance(name, str) for each in submitters for name in each.names)


def exercise_metadata(data: bytes) -> None:
    """An exercise.toml: an exercise, or an error that names the file."""
    with _temporary_folder() as root:
        folder = root / "01-fuzz"
        folder.mkdir()
        (folder / "exercise.toml").write_bytes(data)
        (folder / "hints.md").write_bytes(data[:200])
        with contextlib.suppress(ContentError):
            assert read_exercise(folder, root, root).requirements


def json_reports(data: bytes) -> None:
    """A report's JSON: refused, or drawn in every face."""
    try:
        report = from_json(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    faces = attack.drawn(report)
    assert from_json(faces["json"].encode()) == encodable(report)


TARGETS: dict[str, Target] = {name: globals()[name] for name in NAMES}


def seeds(target: str) -> list[bytes]:
    """Whole inputs to begin with."""
    made: dict[str, Callable[[], Iterable[bytes]]] = {
        "student_frames": _turns,
        "supervisor_events": lambda: [test_grade.stream(test_grade.events())],
        "submission_folders": lambda: [
            b"f\x04a.py\x03xyzd\x03subl\x03out",
            b"p\x02qqf\x08sub/b.py\x00",
            b"p\x01qf\x01qxyz",
        ],
        "archives": _archives,
        "gradescope_metadata": lambda: [
            b"a:\n  :submitters:\n  - :name: Ada\n    :sid: 7\n    :email: a@b.c\n",
            b"a: &x\n  :submitters: [*x, {':sid': '7'}]\n",
        ],
        "exercise_metadata": lambda: [
            path.read_bytes() for path in attack.ROOT.glob("**/exercise.toml") if ".venv" not in path.parts
        ],
        "json_reports": lambda: [to_json(encodable(make())) for make in reports.ALL.values()],
    }
    return list(made[target]())


def _archives() -> Iterable[bytes]:
    content, long_name = b"class Counter: ...\n" * 9, "deep/" * 40 + "counter.py"
    for number, ending in enumerate(unpacking.ENDINGS):
        packed = io.BytesIO()
        if ending == ".zip":
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in ("a/counter.py", ".hidden", "b.py"):
                    archive.writestr(name, content)
        else:
            mode = {".tar": "w", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}.get(ending, "w:gz")
            for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
                with tarfile.open(fileobj=packed, mode=mode, format=form) as tar:  # type: ignore[call-overload]
                    for name in ("./a/counter.py", long_name):
                        info = tarfile.TarInfo(name)
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
        yield bytes((number,)) + packed.getvalue()


def _turns() -> Iterable[bytes]:
    error = wire.Error(["KeyError"], "no", [wire.Frame("a.py", 1, "f", "x")])
    values = (
        None,
        wire.Bytes(b"v"),
        wire.Sequence([1, 2.5, "x"]),
        wire.Mapping([("k", wire.Set([1], True))]),
        wire.BigInteger("ff" * 20),
        wire.Fields("Point", [("x", 1)]),
        wire.Handle(1, "Store", {}, True),
        wire.Handle(7, "Cache", {"get": True}),
        error,
    )
    for value in values:
        messages = [
            wire.Done(1, value),
            wire.Failed(2, error),
            wire.Ask(1, 1, "read", ["ada"], {}),
            wire.Ask(2, 1, "write", ["ada", value], {"key": value}),
            wire.Lines("a.py", [1], [1]),
        ]
        for state in (wire.Idle(5), wire.Idle(None), wire.More(), wire.Asking(1), wire.Sleeping(9)):
            yield msgspec.msgpack.encode(wire.Turn(messages, state))


@contextlib.contextmanager
def _temporary_folder() -> Any:
    folder = Path(tempfile.mkdtemp(prefix="kata-fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _plant(folder: Path, data: bytes) -> None:
    """Read the bytes as entries, a kind and a name each, and make those that the system lets one make."""
    while len(data) > 2:
        kind, length = chr(data[0]), data[1] % 40
        name, data = data[2 : 2 + length], data[2 + length :]
        path = os.path.join(os.fsencode(folder), *(part for part in name.split(b"/") if part not in (b"", b".", b"..")))
        with contextlib.suppress(OSError, ValueError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "d":
                os.mkdir(path)
            elif kind == "l":
                os.symlink(b"/etc", path)
            elif kind == "p":
                os.mkfifo(path)
            elif kind == "s":
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                os.truncate(path, 3 << 19)
            else:
                # At a pipe of that name nobody would ever wait to read.
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK)
                os.write(file, data[:20])
                os.close(file)
