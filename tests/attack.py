"""The hostile submissions in tests/attacks: what each says of itself, and one grading of it with nothing left behind.

An attack is a file whose docstring begins with what it tries, against which exercise, and what must happen:

    Tries: to read the grader's files by their guessed paths.
    Against: 15-caching (hit)
    Must: score at most 0; unmet; says /NotImplementedError/; within 20 s

`Against` may go on with `, in 4 s`: a run shorter than the others. `Must` names an outcome (`unmet`, `not graded`, or
`refused` for what is not even read), and what the first failure says as a regular expression. A file that defines
`build(folder)` makes the submission, and gives the path to it; any other file is one. What must stay impossible is
printed as `BREACH` by an attack that has managed it. `Inside` says what the first failure says in that sandbox, where
another limit ends the attack than elsewhere. `Control` marks those that must manage it in `process`.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib.util
import io
import os
import re
import select
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from kata.catalog import Catalog
from kata.exercise import Exercise, Limits
from kata.grade import grade
from kata.protocol import Job
from kata.report.faces import FACES
from kata.report.model import Failure, Report
from kata.report.terminal import render
from kata.sandbox import Connection, Ending, Launcher
from kata.submission import read_submission
from kata.supervisor.spawner import UIDS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "attacks"
GROUPS = ("read", "forge", "escape", "exhaust", "time", "collude", "special", "archive", "report")
COURSES = {"01-toy": ROOT / "tests" / "toy_course"}
"""Of exercises that are not in the course itself."""
LIMITS = Limits(check_seconds=3, call_seconds=0.5, run_seconds=15)
"""Short, so that what is endless is soon stopped. They count CPU time, so they are no less honest on a busy machine."""
SUPERVISOR_MIB_MAX = 512
"""Of memory, as in docker for the whole container: elsewhere nothing but the supervisor itself keeps it from more."""

CANARY = "canary-4f1d7c"
"""Stands in this process's environment, and nowhere in a sandbox."""

_FIELDS = re.compile(r"^(Tries|Against|Must|Inside|Control): ", re.MULTILINE)
_OUTCOMES = {"unmet": "unmet", "not graded": "inconclusive", "refused": "refused"}
LOOK_SECONDS = 0.05
"""Between two looks at the memory of a supervisor: its job may end at once when it has held the most."""
ORPHAN_SECONDS = 3.0
"""In which what the kernel is just killing has ended."""

_PR_SET_CHILD_SUBREAPER = 36


class Attack(NamedTuple):
    """A hostile submission, as its docstring declares it."""

    name: str
    """`read/guessed_paths`."""
    path: Path
    tries: str
    exercise: str
    only: tuple[str, ...]
    run_seconds: float
    score_max: int
    outcome: str
    says: str
    says_inside: str
    seconds_max: float
    control: bool
    """Unconfined, in the `process` sandbox, it does what must stay impossible: the proof that it is a real attack."""

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    def submission(self, folder: Path) -> Path:
        """Where the submission is; made in `folder` if the attack has to be built."""
        if "def build(folder" not in self.path.read_text("utf-8"):
            return self.path
        spec = importlib.util.spec_from_file_location(f"attack_{self.path.stem}", self.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.build(folder)


def attacks() -> list[Attack]:
    """All of them, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*/*.py"))]


def _read(path: Path) -> Attack:
    text = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    parts = _FIELDS.split(text.partition("\n\n")[0])
    fields = {key: " ".join(value.split()) for key, value in zip(parts[1::2], parts[2::2], strict=True)}
    name = f"{path.parent.name}/{path.stem}"
    assert {"Tries", "Against", "Must"} <= fields.keys(), f"{name} does not say what it tries, and what must happen."
    against = re.fullmatch(r"([\w-]+)(?: \(([\w, -]+)\))?(?:, in (\d+) s)?", fields["Against"])
    must = re.fullmatch(
        r"score at most (\d+); (unmet|not graded|refused); says /(.+)/(?:; within (\d+) s)?", fields["Must"]
    )
    assert against, f"{name}: {fields['Against']!r} is no exercise"
    inside = re.fullmatch(r"says /(.+)/", fields["Inside"]) if "Inside" in fields else None
    assert inside or "Inside" not in fields, f"{name}: {fields['Inside']!r} can't be understood"
    assert must, f"{name}: {fields['Must']!r} can't be understood"
    return Attack(
        name,
        path,
        fields["Tries"],
        against[1],
        tuple((against[2] or "").split(", ")) if against[2] else (),
        float(against[3] or LIMITS.run_seconds),
        int(must[1]),
        _OUTCOMES[must[2]],
        must[3],
        inside[1] if inside else must[3],
        float(must[4] or 30),
        "Control" in fields,
    )


def exercise_of(name: str, run_seconds: float = LIMITS.run_seconds) -> Exercise:
    """The exercise with short limits."""
    limits = msgspec.structs.replace(LIMITS, run_seconds=run_seconds)
    return msgspec.structs.replace(Catalog(COURSES.get(name, ROOT)).get(name), limits=limits)


def reference_of(exercise: Exercise) -> Path:
    return exercise.solution_folder / exercise.file


def run(
    attack: Attack,
    launcher: Launcher,
    folder: Path,
    trace: Trace,
    keep: Callable[[Connection], None] | None = None,
) -> Report:
    """Grade it; `keep` is given the sandbox afterwards, if it may be used again. UsageError when it is not read."""
    exercise = exercise_of(attack.exercise, attack.run_seconds)
    submission = read_submission(attack.submission(folder), exercise.file)
    return grade(exercise, submission, trace.watched(launcher), seed=7, only=attack.only, keep=keep)


def seconds_of(report: Report) -> float:
    """How long a run took, from when the sandbox had its job until nothing of it was left.

    How long the sandbox takes to start is not the attack's doing, and differs by sandbox.
    """
    return report.phases.total_seconds - report.phases.start_seconds


def run_reference(name: str, launcher: Launcher, only: tuple[str, ...], connection: Connection | None = None) -> Report:
    exercise = exercise_of(name)
    submission = read_submission(reference_of(exercise), exercise.file)
    return grade(exercise, submission, launcher, seed=7, only=only, connection=connection)


def first_failure(report: Report) -> Failure | None:
    """What the report says first."""
    if report.problem is not None:
        return report.problem
    checks = [check for requirement in report.requirements for check in requirement.checks]
    return next((check.failure for check in checks if check.failure is not None), None)


def printed(report: Report) -> str:
    """All that the submission has printed, as the report has it."""
    checks = [check.output for requirement in report.requirements for check in requirement.checks]
    return "\n".join([report.output, *checks])


# ---------------------------------------------------------------- what a run may not leave behind


@dataclass
class Trace:
    """By what one run would be recognised: whatever it has left behind is its own, not a neighbour's."""

    uids: list[range] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    children: set[int] = field(default_factory=set)
    supervisor_mib: int = 0
    """The most memory that the supervisor has held, where it is a child of this process."""

    @classmethod
    def begin(cls) -> Trace:
        """Orphans of the run become children of this process from now on."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return cls(children=_children())

    def watched(self, launcher: Launcher) -> Launcher:
        return _WatchedLauncher(launcher, self)

    def left(self) -> list[str]:
        """Processes, containers, files, shared memory, mounts and cgroups of the run that are still there."""
        mark = f"kata-run-{os.getpid()}-"
        left = [f"process {pid}" for pid in _children() - self.children if not _has_ended(pid)]
        left += [
            f"process {pid} of user {uid}"
            for pid, uid in _users_of_processes()
            if self._is_ours(uid) and not _has_ended(pid)
        ]
        for place in {Path("/dev/shm"), Path("/dev/mqueue"), Path("/tmp"), Path(tempfile.gettempdir())}:
            for entry in os.scandir(place) if place.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):  # somebody else's, gone in this moment
                    if entry.name.startswith(mark) or self._is_ours(entry.stat(follow_symlinks=False).st_uid):
                        left.append(entry.path)
        for kind in ("shm", "msg", "sem"):
            left += [f"System V {kind}: {row}" for row in _rows(f"/proc/sysvipc/{kind}") if self._owns(row)]
        names = [mark, *self.containers]
        left += [f"mount: {row}" for row in _rows("/proc/self/mountinfo") if any(name in row for name in names)]
        left += [str(path) for name in self.containers for path in Path("/sys/fs/cgroup").glob(f"*/docker/{name}")]
        left += [f"container {name}: {state}" for name in self.containers for state in _states(name)]
        return left

    def _is_ours(self, uid: int) -> bool:
        return any(uid in uids for uids in self.uids)

    def _owns(self, row: str) -> bool:
        return any(word.isdigit() and self._is_ours(int(word)) for word in row.split())


class _WatchedLauncher:
    def __init__(self, launcher: Launcher, trace: Trace) -> None:
        self._launcher = launcher
        self._trace = trace
        self.name = launcher.name
        self.is_lasting = launcher.is_lasting

    def start(self, lanes: int = 1) -> Connection:
        connection = self._launcher.start(lanes)
        if container := getattr(connection, "container", ""):
            self._trace.containers.append(container)
        return _WatchedConnection(connection, self._trace)

    def info(self) -> Any:
        return self._launcher.info()


class _WatchedConnection:
    """Reads in the job which user ids the run may use."""

    def __init__(self, connection: Connection, trace: Trace) -> None:
        self._connection = connection
        self._trace = trace
        self._child = getattr(connection, "_process", None)

    def read(self, size: int, timeout_seconds: float) -> bytes:
        until = time.monotonic() + timeout_seconds
        while True:
            if self._child is not None:
                most = max(map(_peak_mib, _with_forks(self._child.pid)))
                self._trace.supervisor_mib = max(self._trace.supervisor_mib, most)
            left = until - time.monotonic()
            try:
                return self._connection.read(size, min(left, LOOK_SECONDS))
            except TimeoutError:
                if left <= LOOK_SECONDS:
                    raise

    def write(self, data: bytes) -> None:
        base = msgspec.msgpack.decode(data[4:], type=Job).uid_base
        self._trace.uids.append(range(base, base + UIDS))
        self._connection.write(data)

    def close(self) -> Ending:
        return self._connection.close()


def _children() -> set[int]:
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        found |= {int(pid) for pid in path.read_text().split()}
    return found


def _with_forks(pid: int) -> Iterator[int]:
    """A process, and what descends from it and runs the same command."""
    yield pid
    with contextlib.suppress(OSError):
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, path.read_text().split()):
                if Path(f"/proc/{child}/cmdline").read_bytes() == own:
                    yield from _with_forks(child)


def _peak_mib(pid: int) -> int:
    """The most memory that a process has held; 0 when it has just ended."""
    with contextlib.suppress(OSError):
        if most := re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
            return int(most[1]) // 1024
    return 0


def _has_ended(pid: int) -> bool:
    """Whether a process has ended, or does so presently; a child of this one is buried then."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(ended, "rb") as watched:
        if not select.select([watched], [], [], ORPHAN_SECONDS)[0]:
            return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def _users_of_processes() -> Iterator[tuple[int, int]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                yield int(entry.name), entry.stat().st_uid
                yield int(entry.name), int(re.search(r"^Uid:\t(\d+)", Path(entry.path, "status").read_text(), re.M)[1])
            except (OSError, TypeError):
                continue


def _rows(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _states(container: str) -> list[str]:
    """What the engine says of a container, as a list of one; empty when it is gone."""
    from kata.sandbox.docker import connect

    return [f"{each['State']}, {each['Status']}" for each in connect().containers(all=True, filters={"id": container})]


# ---------------------------------------------------------------- what a report may not show


def told(report: Report) -> str:
    """Every text of a report, as it is before any face draws it."""
    texts: list[str] = []
    todo: list[object] = [msgspec.to_builtins(report)]
    while todo:
        match todo.pop():
            case str() as text:
                texts.append(text)
            case dict() as fields:
                todo += fields.values()
            case list() | tuple() as items:
                todo += items
    return "\n".join(texts)


def drawn(report: Report) -> dict[str, str]:
    """Every face of a report, as text."""
    faces = {name: face(report).decode("utf-8") for name, face in FACES.items()}
    for width, colours in ((100, None), (60, "truecolor")):
        file = io.StringIO()
        console = Console(file=file, width=width, color_system=colours, force_terminal=colours is not None)
        render(report, console)
        faces[f"terminal of {width}"] = file.getvalue()
    return faces


def hidden() -> list[str]:
    """What no report may show: where this checkout and a run's files are, this environment, a check's own code."""
    lines = {CANARY, str(ROOT), f"kata-run-{os.getpid()}", "/grader/grader"}
    for course in (ROOT, *COURSES.values()):
        for path in course.glob("graders/*/*.py"):
            lines |= set(_code_of(path))
    return sorted(lines)


def _code_of(path: Path) -> Iterator[str]:
    """The statements of a grader's functions that nobody else would write alike."""
    for function in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body[ast.get_docstring(function) is not None :]:
                first = ast.unparse(statement).splitlines()[0]
                if len(first) >= 24:
                    yield first


Check = Callable[[str], None]
