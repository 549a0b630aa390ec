"""A cohort on a cluster gets the marks that it gets on one machine, whoever refuses, is lost, or is too old."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psutil
import pytest
from cohorts import ROOT, Instructor
from distributed import KilledWorker, LocalCluster, get_worker
from test_cohort import attempts, marks, submissions
from test_intake import COUNTER, write
from toy import PARTLY, SOLVED, TOY, Course, fake_grade

import kata
from kata.catalog import Catalog
from kata.cohort import cluster as clusters
from kata.cohort import worker
from kata.cohort.worker import Answer, Order, Parcel, pack, serve
from kata.errors import SandboxUnavailable
from kata.exercise import Exercise

UNISOLATED = ("--sandbox", "process", "--allow-unisolated")
UNTIL_SECONDS = 60.0
"""Until something must have come about on a machine that is busy."""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for it; a failure that says what did not come about."""
    end = time.monotonic() + UNTIL_SECONDS
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"In {UNTIL_SECONDS:.0f} s it did not come about that {what}.")
        time.sleep(0.02)


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Course]:
    """The toy course, in which workers that are threads of this process only pretend to grade."""
    made = Course(monkeypatch, tmp_path, capsys)
    monkeypatch.setattr("kata.cohort.worker.grade", fake_grade)
    monkeypatch.setattr("kata.series.grade", fake_grade)
    launcher = worker._launcher
    launcher.cache_clear()
    yield made
    launcher.cache_clear()


@contextmanager
def workers(number: int, **options: Any) -> Iterator[LocalCluster]:
    """A cluster whose workers are threads of this process, each with one sandbox."""
    settings = {"threads_per_worker": 1, "resources": {"sandbox": 1}, "dashboard_address": None, **options}
    with LocalCluster(n_workers=number, processes=False, **settings) as made:
        yield made


# ---------------------------------------------------------------- a worker


@pytest.fixture
def toy() -> Exercise:
    return Catalog(TOY).get("01-toy")


def order(parcel: Parcel, text: str = PARTLY) -> bytes:
    files = {"counter.py": text.encode()}
    return msgspec.msgpack.encode(Order(parcel=parcel, name="01-toy", submission=files, seed=5, sandbox="docker"))


def answer(data: bytes) -> Answer:
    return msgspec.msgpack.decode(serve(data), type=Answer)


def test_a_worker_grades_with_nothing_but_what_has_come(
    course: Course, toy: Exercise, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parcel = pack(toy)
    monkeypatch.setenv("KATA_CONTENT", str(tmp_path / "nowhere"))
    report = answer(order(parcel)).report
    assert report is not None
    assert (report.score, report.seed, report.exercise.digest) == (60, 5, toy.digest())
    assert course.chosen == "docker"


def test_what_travels_is_the_grader_without_its_trials(toy: Exercise, tmp_path: Path) -> None:
    shutil.copytree(toy.grader_folder, tmp_path / "01-toy")
    write(tmp_path / "01-toy", {"wrong/bad.py": b"", "right/good.py": b"", "__pycache__/x.pyc": b""})
    copied = msgspec.structs.replace(toy, grader_folder=tmp_path / "01-toy")
    assert pack(copied) == pack(toy)
    assert "test_failure.py" in pack(toy).grader


def test_a_grader_that_is_another_on_the_worker_is_refused(course: Course, toy: Exercise) -> None:
    parcel = msgspec.structs.replace(pack(toy), grader_digest="0" * 64)
    said = answer(order(parcel))
    assert said.report is None
    assert "Its 01-toy or the grader of it is another than the run's." in said.refusal


def test_a_sandbox_that_a_worker_lacks_is_refused_in_its_words(
    course: Course, toy: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*arguments: object, **options: object) -> None:
        raise SandboxUnavailable("No daemon answers.", "Start one.")

    monkeypatch.setattr("kata.sandbox.choose.choose", lacks)
    assert answer(order(pack(toy))) == Answer(refusal="No daemon answers. Start one.")


def test_a_worker_without_room_refuses(
    course: Course, toy: Exercise, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KATA_HOME", str(tmp_path / "file"))
    assert answer(order(pack(toy))).refusal.startswith("It has no folder to work in: [Errno 17]")


# ---------------------------------------------------------------- a run


def test_a_cluster_gives_the_marks_of_one_machine(course: Course) -> None:
    submissions(course, ada=SOLVED, bob=PARTLY, cyd=SOLVED, dan="# met:\n")
    course.kata("grade", "all", "--out", "plain", "--seed", "3", "--sandbox", "docker")
    with workers(2) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--seed", "3", "--cluster", cluster.scheduler_address)
    assert said.status == 0, said.err
    assert course.kata("gradebook", "run").out == course.kata("gradebook", "plain").out
    assert attempts(course.here / "run") == attempts(course.here / "plain")
    assert "refuse" not in said.err


def test_what_one_worker_refuses_another_grades(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    has_refused = threading.Event()

    def launcher(sandbox: str) -> Any:
        if get_worker().name == 0:
            asked.append(sandbox)
            has_refused.set()
            raise SandboxUnavailable("It has no docker.", "Install it.")
        has_refused.wait(UNTIL_SECONDS)  # or this one might be so quick that the other one is never needed
        return course.launcher

    monkeypatch.setattr("kata.cohort.worker._launcher", launcher)
    submissions(course, **{f"p{n}": f"{PARTLY}# {n}\n" for n in range(6)})
    with workers(2) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
    assert said.status == 0, said.err
    assert said.err.count("It has no docker. Install it.") == 1, "the refusal is said once"
    assert {outcome for _, _, outcome in attempts(course.here / "run")} == {"unmet"}
    assert len(attempts(course.here / "run")) == 6, "a refusal is no attempt"
    assert 1 <= len(asked) <= 2, "whoever has refused is not asked again, unless a second job was on its way"


def test_when_all_refuse_the_run_ends_and_goes_on_elsewhere(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def launcher(sandbox: str) -> Any:
        raise SandboxUnavailable("It has no docker.")

    monkeypatch.setattr("kata.cohort.cluster.ALONE_SECONDS", 0.5)
    submissions(course, ada=SOLVED, bob=PARTLY)
    with monkeypatch.context() as patched, workers(2) as cluster:
        patched.setattr("kata.cohort.worker._launcher", launcher)
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
    assert said.status == 3
    assert "No worker is left that grades this run. It has no docker." in said.err
    assert course.kata("grade", "--resume", "run").status == 0
    assert [row["score"] for row in marks(course)] == ["100", "60"]


def test_a_job_whose_workers_are_lost_is_inconclusive_and_loses_nothing(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = threading.Event(), threading.Event()

    def hang(*arguments: Any, **options: Any) -> Any:
        begun.set()
        over.wait(UNTIL_SECONDS)
        return fake_grade(*arguments, **options)

    monkeypatch.setattr("kata.cohort.worker.grade", hang)
    monkeypatch.setattr("kata.cohort.cluster.ALONE_SECONDS", 0.5)
    submissions(course, ada=SOLVED)
    with workers(1) as cluster:

        def lose() -> None:
            begun.wait(UNTIL_SECONDS)
            cluster.scale(0)

        threading.Thread(target=lose).start()
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
        over.set()
    assert (said.status, "No worker is left that grades this run." in said.err) == (3, True), said.err
    assert [outcome for _, _, outcome in attempts(course.here / "run")] == ["inconclusive", None]
    assert course.kata("grade", "--resume", "run").status == 0
    assert marks(course)[0]["score"] == "100"


def test_a_job_that_takes_its_workers_along_is_inconclusive_and_the_rest_is_graded(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(exercise: Exercise, submission: Any, *arguments: Any, **options: Any) -> Any:
        if b"deadly" in submission.files[exercise.file]:
            # What Dask says of a job over which several workers were lost.
            raise KilledWorker("job", SimpleNamespace(address="gone"), 3)
        return fake_grade(exercise, submission, *arguments, **options)

    monkeypatch.setattr("kata.cohort.worker.grade", deadly)
    submissions(course, ada="# deadly\n", bob=PARTLY)
    with workers(2) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--retry", "1", "--cluster", cluster.scheduler_address)
    assert (said.status, "1 graded, 1 inconclusive." in said.out) == (3, True), said.err
    assert sorted(outcome or "" for _, _, outcome in attempts(course.here / "run")) == [*2 * ["inconclusive"], "unmet"]
    assert marks(course)[0]["note"].startswith("The worker that graded this was lost")


def test_a_fault_of_ours_on_a_worker_ends_the_run_as_one_here_does(course: Course) -> None:
    submissions(course, ada=SOLVED, bob="# fault\n")
    with workers(1) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
    assert (said.status, "RuntimeError" in said.err) == (3, True)


@pytest.mark.parametrize(("jobs", "at_once"), [(None, 5), (3, 3), (9, 5)])
def test_as_many_at_a_time_as_there_are_sandboxes_and_threads(jobs: int | None, at_once: int) -> None:
    with workers(2, resources={"sandbox": 3}, threads_per_worker=2) as cluster:
        cluster.scale(2)
        joined = clusters.connect(cluster.scheduler_address, "docker", jobs, pytest.fail)
        try:
            until(lambda: joined.places() == min(at_once, 4), "both workers were seen")
        finally:
            joined.close(wait=True)


# ---------------------------------------------------------------- wrong usage


def test_another_version_is_refused_before_it_gets_a_job(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kata.cohort.cluster.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("kata.cohort.cluster.__version__", "9.9.9")
    submissions(course, ada=SOLVED)
    with workers(1) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
    assert said.status == 2
    assert f"It has kata {kata.__version__}, and this is 9.9.9." in said.err


@pytest.mark.parametrize(
    ("number", "resources", "says"),
    [(0, {"sandbox": 1}, "has no workers"), (1, {}, "No worker at"), (1, {"sandbox": 0}, "has the resource `sandbox`")],
)
def test_a_cluster_without_sandboxes(
    course: Course, monkeypatch: pytest.MonkeyPatch, number: int, resources: dict[str, int], says: str
) -> None:
    monkeypatch.setattr("kata.cohort.cluster.CONNECT_SECONDS", 1.0)
    submissions(course, ada=SOLVED)
    with workers(number, resources=resources) as cluster:
        said = course.kata("grade", "all", "--out", "run", "--cluster", cluster.scheduler_address)
    assert said.status == 2
    assert says in said.err
    assert "--resources sandbox=1" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "No scheduler answers at tcp://127.0.0.1:9"),
        (["--cluster", "nonsense://x"], "No scheduler answers at nonsense://x"),
        (["--cluster", "scheduler.example"], "'scheduler.example' is no cluster"),
        (["--cluster", "local:0"], "'local:0' is no cluster"),
        (["--cluster", "local:two"], "'local:two' is no cluster"),
        (["--cluster", "tcp://127.0.0.1:9", "--sandbox", "process"], "--allow-unisolated"),
    ],
)
def test_wrong_usage(course: Course, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    monkeypatch.setattr("kata.cohort.cluster.CONNECT_SECONDS", 0.5)
    submissions(course, ada=SOLVED)
    said = course.kata("grade", "all", "--out", "run", *arguments)
    assert said.status == 2
    assert says in said.err


def test_without_the_package_it_says_how_to_get_it(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    submissions(course, ada=SOLVED)
    said = course.kata("grade", "all", "--out", "run", "--cluster", "local:2")
    assert (said.status, "pip install 'system-design-kata[cluster]'" in said.err) == (2, True)


# ---------------------------------------------------------------- processes


class Machines:
    """A scheduler and workers, each a process of its own with its own idea of kata; killed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._started:
            process.kill()
            process.wait()

    def scheduler(self, kata: Path) -> subprocess.Popen[bytes]:
        """`kata` is the folder that it would import kata from."""
        made = self._start("scheduler", kata, "--host", "127.0.0.1", "--port", "0")
        until(self._file.exists, "the scheduler said where it is")
        return made

    def worker(self, kata: Path) -> subprocess.Popen[bytes]:
        made = self._start("worker", kata, "--no-nanny", "--nthreads", "1", "--resources", "sandbox=1")
        log = self._folder / f"{len(self._started)}.log"
        until(lambda: b"Registered to" in log.read_bytes(), f"a worker registered, says {log}")
        return made

    @property
    def address(self) -> str:
        return str(msgspec.json.decode(self._file.read_bytes())["address"])

    def _start(self, program: str, kata: Path, *options: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(kata), "KATA_HOME": str(self._folder / "worker-home")}
        command = ["-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(self._file), "--no-dashboard"]
        with (self._folder / f"{len(self._started) + 1}.log").open("wb") as log:
            made = subprocess.Popen(
                [sys.executable, *command, *options], cwd=self._folder, env=environment, stdout=log, stderr=log
            )
        self._started.append(made)
        return made


def cohort(folder: Path, people: int) -> Instructor:
    """An instructor of the toy course, whose submissions are really graded, by child processes."""
    solution = (TOY / "solutions/01-toy/counter.py").read_bytes()
    files = {f"p{n}/counter.py": (solution if n % 3 else COUNTER) + f"# {n}\n".encode() for n in range(people)}
    write(folder / "all", files)
    return Instructor(folder, *UNISOLATED, content=TOY)


def is_grading(process: subprocess.Popen[bytes]) -> bool:
    """Whether a sandbox runs below that process."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return any("kata.supervisor" in child.cmdline() for child in below)
    except psutil.NoSuchProcess:  # it ended while it was looked at
        return False


@pytest.mark.slow
def test_three_workers_of_which_one_is_killed_and_one_is_too_old(tmp_path: Path) -> None:
    """The scheduler has no kata at all. One worker is killed while it grades, one has a version of long ago."""
    instructor = cohort(tmp_path, 12)
    write(tmp_path / "none", {"kata.py": b"raise ImportError('no kata here')"})
    shutil.copytree(ROOT / "kata", tmp_path / "old/kata", ignore=shutil.ignore_patterns("__pycache__"))
    init = tmp_path / "old/kata/__init__.py"
    init.write_text(init.read_text().replace(kata.__version__, "0.0.1"))
    with Machines(tmp_path) as machines:
        machines.scheduler(tmp_path / "none")
        machines.worker(tmp_path / "old")
        machines.worker(ROOT)
        killed = machines.worker(ROOT)
        grading = instructor.begin("run", *UNISOLATED, "--cluster", machines.address)
        until(lambda: is_grading(killed), "the worker that will be killed had a job")
        killed.send_signal(signal.SIGKILL)
        _, errors = grading.communicate(timeout=5 * UNTIL_SECONDS)
    said = errors.decode()
    assert grading.returncode == 0, said
    assert said.count(f"It has kata 0.0.1, and this is {kata.__version__}.") == 1, said
    assert "Traceback" not in said
    assert "distributed." not in said
    instructor.grade("plain")
    assert instructor.marks("run") == instructor.marks("plain")
    assert Counter(instructor.attempts("run")) == Counter(instructor.attempts("plain")), "each job is judged once"


@pytest.mark.slow
def test_without_its_scheduler_a_run_ends_and_goes_on_elsewhere(tmp_path: Path) -> None:
    """One worker has no kata; the other one has a job when the scheduler dies."""
    instructor = cohort(tmp_path, 4)
    write(tmp_path / "none", {"kata.py": b"raise ImportError('no kata here')"})
    with Machines(tmp_path) as machines:
        scheduler = machines.scheduler(ROOT)
        machines.worker(tmp_path / "none")
        grades = machines.worker(ROOT)
        grading = instructor.begin("run", *UNISOLATED, "--cluster", machines.address)
        until(lambda: is_grading(grades), "a job had begun")
        scheduler.send_signal(signal.SIGKILL)
        _, errors = grading.communicate(timeout=5 * UNTIL_SECONDS)
    said = errors.decode()
    assert grading.returncode == 3, said
    assert "It has no kata, or one that knows no clusters (no kata here)." in said
    assert "The cluster's scheduler does not answer any more." in said
    instructor.grade("run")
    instructor.grade("plain")
    assert instructor.marks("run") == instructor.marks("plain")


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_lets_an_embedded_cluster_end_its_jobs(tmp_path: Path) -> None:
    instructor = cohort(tmp_path, 10)
    grading = instructor.begin("run", *UNISOLATED, "--cluster", "local:2")
    until(lambda: is_grading(grading), "a job had begun")
    # As a terminal does it: to all that are in the program's group of processes.
    program = psutil.Process(grading.pid)
    for each in (program, *program.children(recursive=True)):
        if os.getpgid(each.pid) == os.getpgid(program.pid):
            each.send_signal(signal.SIGINT)
    _, errors = grading.communicate(timeout=5 * UNTIL_SECONDS)
    assert grading.returncode == 130, errors.decode()
    assert "Traceback" not in errors.decode()
    outcomes = [outcome for _, outcome in instructor.attempts("run")]
    assert 0 < len(outcomes) < 10
    assert set(outcomes) <= {"met", "unmet"}, "what ran has ended"
    instructor.grade("run")
    instructor.grade("plain")
    assert instructor.marks("run") == instructor.marks("plain")
