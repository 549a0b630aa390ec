"""The main road, with a supervisor that only reads from a script, and then with a real one: nothing but a whole
stream is a pass, and whatever happens there is a report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import TOY, FakeEnding, FakeLauncher
from worlds import folder_of

from kata import __version__
from kata.catalog import Catalog
from kata.errors import ContentError, SandboxFailure
from kata.exercise import Exercise, Limits
from kata.grade import code_lines, grade, grader_files, requirements_of
from kata.protocol import Broken, Declared, Event, Final, Finished, Job, Loaded, Numbered, Ready, Started
from kata.report import model
from kata.report.model import CheckResult, Dependability, Failure, Report
from kata.report.scoring import by_category, judge, outcome_of, overall
from kata.sandbox import process
from kata.sandbox.process import ProcessLauncher
from kata.submission import Submission
from kata.wire import frame

CHECKS = (("a::one", "counts", "One."), ("b::two", "bulk", "Two."), ("c::three", "refuses", "Three."))


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    return Catalog(TOY).get("01-toy")


SUBMISSION = Submission("counter.py", {"counter.py": b"# one\n\nclass Counter:\n    pass\n"})

READY = Ready(version=__version__, python="3.12.1", protections=("seccomp",))
LOADED = Loaded(failure=None, output="hello", seconds=0.5)
DECLARED = Declared(checks=CHECKS)


def finished(check_id: str, outcome: model.Outcome = "met", **more: Any) -> Finished:
    return Finished(result=CheckResult(id=check_id, text="", outcome=outcome, **more))


def events(**outcomes: model.Outcome) -> list[Event]:
    """A whole run of the three checks, without its end."""
    said: list[Event] = [READY, LOADED, DECLARED]
    for check_id, requirement, _ in CHECKS:
        said += [Started(id=check_id), finished(check_id, outcomes.get(requirement, "met"))]
    return said


class Script:
    """A connection that says what it is told to, and then ends, or raises."""

    def __init__(self, said: bytes, then: BaseException | None = None, ending: FakeEnding | None = None) -> None:
        self.said = said
        self.then = then
        self.ending = ending or FakeEnding()
        self.written = b""
        self.closed = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def read(self, size: int, timeout_seconds: float) -> bytes:
        if self.said:
            some = random.randint(1, size)
            part, self.said = self.said[: min(size, some)], self.said[min(size, some) :]
            return part
        if self.then is not None:
            raise self.then
        return b""

    def close(self) -> FakeEnding:
        self.closed += 1
        return self.ending


def stream(said: list[Event], final: bool = True, **changes: Any) -> bytes:
    """The events as bytes, numbered, with the right end unless it is changed."""
    data, digest = b"", hashlib.sha256()
    for number, event in enumerate(said):
        payload = msgspec.msgpack.encode(Numbered(number, event))
        digest.update(payload)
        data += frame(payload)
    if final:
        ended = sum(isinstance(event, Finished) for event in said)
        right = {"finished": ended, "digest": digest.hexdigest(), "dependability": Dependability(), "unexecuted": ()}
        data += frame(msgspec.msgpack.encode(Numbered(len(said), Final(**(right | changes)))))
    return data


def graded(exercise: Exercise, said: bytes | Script, **options: Any) -> Report:
    script = said if isinstance(said, Script) else Script(said)
    report = grade(exercise, SUBMISSION, FakeLauncher(), seed=7, connection=script, **options)
    assert script.closed == 1
    assert model.from_json(model.to_json(report)) == report
    return report


def assert_not_graded(report: Report, reason: str = "") -> None:
    assert report.outcome == "inconclusive"
    assert report.score == 0
    assert {requirement.outcome for requirement in report.requirements} == {"inconclusive"}
    assert report.problem is not None
    assert report.problem.kind == "our-fault"
    assert report.problem.advice
    assert reason in report.problem.message


# ---------------------------------------------------------------- whole streams


def test_a_whole_stream_of_met_checks_is_a_pass(exercise):
    seen: list[Event] = []
    report = graded(exercise, stream(events()), on_event=seen.append)
    assert (report.outcome, report.score, report.max_score, report.problem) == ("met", 100, 100, None)
    assert [type(event).__name__ for event in seen][:4] == ["Ready", "Loaded", "Declared", "Started"]
    assert isinstance(seen[-1], Final)
    assert report.sandbox.protections == ("seccomp",)
    assert report.sandbox.python == "3.12.1"
    assert report.output == "hello"
    assert report.submission.lines == 2
    assert report.replay == "kata check 01-toy --seed 7 --sandbox docker"
    assert report.phases.load_seconds == 0.5


def test_the_job_holds_what_the_supervisor_needs_and_no_more(exercise):
    script = Script(stream(events()))
    graded(exercise, script)
    job = msgspec.msgpack.decode(script.written[4:], type=Job)
    assert (job.exercise, job.file, job.seed, job.provides) == ("01-toy", "counter.py", 7, ("Counter",))
    assert job.requirements == {"counts": (), "bulk": ("counts",), "refuses": ()}
    assert set(job.grader) == {"conftest.py", "test_correctness.py", "test_timing.py", "test_failure.py"}
    assert job.submission == SUBMISSION.files


@pytest.mark.parametrize(
    ("outcomes", "outcome", "score"),
    [
        ({"bulk": "unmet"}, "unmet", 80),
        ({"counts": "unmet", "bulk": "skipped"}, "unmet", 40),
        ({"counts": "inconclusive"}, "inconclusive", 60),
        ({"counts": "inconclusive", "refuses": "unmet"}, "inconclusive", 20),
        ({"counts": "unmet", "bulk": "unmet", "refuses": "unmet"}, "unmet", 0),
    ],
)
def test_outcomes_become_points(exercise, outcomes, outcome, score):
    report = graded(exercise, stream(events(**outcomes)))
    assert (report.outcome, report.score, report.max_score) == (outcome, score, 100)
    for requirement in report.requirements:
        met = requirement.outcome == "met"
        assert requirement.earned == (requirement.points if met else 0)
        assert requirement.hint == ("" if met else f"kata hint 01-toy {requirement.id}")


def test_a_submission_that_cannot_be_loaded(exercise):
    failure = Failure(kind="load", message="counter.py can't be imported.")
    report = graded(exercise, stream([READY, Loaded(failure=failure, output="", seconds=0.1)]))
    assert (report.outcome, report.score, report.problem) == ("unmet", 0, failure)
    assert {requirement.outcome for requirement in report.requirements} == {"unmet"}


# ---------------------------------------------------------------- broken streams


def without(said: list[Event], index: int) -> list[Event]:
    return said[:index] + said[index + 1 :]


WHOLE = events()


@pytest.mark.parametrize("index", range(len(WHOLE)))
def test_a_missing_event_is_no_pass(exercise, index):
    report = graded(exercise, stream(without(WHOLE, index)))
    if isinstance(WHOLE[index], Loaded):
        return  # nothing depends on it: it only tells how loading went
    assert_not_graded(report)


@pytest.mark.parametrize("index", range(len(WHOLE)))
def test_a_doubled_event_is_no_pass(exercise, index):
    said = WHOLE[: index + 1] + WHOLE[index:]
    assert_not_graded(graded(exercise, stream(said)))


@pytest.mark.parametrize(
    "said",
    [
        [LOADED, *WHOLE],
        [READY, LOADED, Started(id="a::one"), *WHOLE[3:]],
        [*WHOLE[:3], Started(id="x::unknown"), finished("x::unknown")],
        [*WHOLE[:3], finished("a::one")],
        [*WHOLE[:3], Started(id="a::one"), Started(id="b::two")],
        [*WHOLE[:3], Started(id="a::one"), finished("b::two")],
        [*WHOLE, Started(id="a::one"), finished("a::one")],
        [*WHOLE, Started(id="a::one")][:-2],
        [READY, LOADED, Declared(checks=(*CHECKS, CHECKS[0])), *WHOLE[3:], Started(id="a::one"), finished("a::one")],
    ],
)
def test_events_out_of_order_are_no_pass(exercise, said):
    assert_not_graded(graded(exercise, stream(said)))


@pytest.mark.parametrize(
    "changes", [{"digest": "0" * 64}, {"digest": ""}, {"finished": 2}, {"finished": 4}, {"finished": -1}]
)
def test_an_end_that_does_not_fit_is_no_pass(exercise, changes):
    assert_not_graded(graded(exercise, stream(WHOLE, **changes)), "can't be trusted")


def test_no_end_is_no_pass(exercise):
    assert_not_graded(graded(exercise, stream(WHOLE, final=False)), "ended before the grading had")
    assert_not_graded(graded(exercise, b""), "ended before the grading had")


def test_no_checks_are_no_pass(exercise):
    report = graded(exercise, stream([READY, LOADED, Declared(checks=())]))
    assert (report.outcome, report.score) == ("inconclusive", 0)


def test_a_requirement_without_a_check_is_not_met(exercise):
    said = [READY, LOADED, Declared(checks=CHECKS[:2]), *WHOLE[3:7]]
    report = graded(exercise, stream(said))
    assert (report.outcome, report.score) == ("inconclusive", 60)


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_stream_that_is_cut_anywhere_is_no_pass(exercise, cut):
    whole = stream(WHOLE)
    assert_not_graded(graded(exercise, whole[: min(cut, len(whole) - 1)]))


@pytest.mark.parametrize("first", [1, 2])
def test_misnumbered_events_are_no_pass(exercise, first):
    data = b"".join(frame(msgspec.msgpack.encode(Numbered(n, e))) for n, e in enumerate(WHOLE, start=first))
    assert_not_graded(graded(exercise, data), f"event {first} came where 0 was due")


@pytest.mark.parametrize(
    "garbage",
    [
        b"Traceback (most recent call last):\n",
        b"\xff" * 64,
        frame(b""),
        frame(b"\xc1"),
        frame(b"\x92\x01\x02"),
        frame(msgspec.msgpack.encode([1, {"type": "unheard of"}])),
        frame(msgspec.msgpack.encode([3, {"type": "started", "id": b"\xff"}])),
        frame(b"\x92\x03\x82\xa4type\xa7started\xa2id\xa2\xff\xfe"),
        frame(b"\x92\x03\x83\xa4type\xa7started\xa2id\xa1a\xa1x" + b"\x91" * 100_000 + b"\x00"),
        frame(b"\x92\x03\x82\xa4type" + b"\x91" * 100_000 + b"\x00"),
    ],
)
def test_garbage_is_no_pass(exercise, garbage):
    assert_not_graded(graded(exercise, garbage))
    assert_not_graded(graded(exercise, stream(WHOLE[:3], final=False) + garbage))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_stream_with_a_changed_byte_is_no_pass(exercise, data):
    whole = bytearray(stream(events(counts="unmet")))
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(whole) - 1))
        whole[index] = data.draw(st.integers(0, 255))
    report = graded(exercise, bytes(whole))
    assert report.outcome in ("unmet", "inconclusive")
    assert report.score <= 60


# ---------------------------------------------------------------- broken sandboxes


def test_a_supervisor_that_breaks(exercise):
    assert_not_graded(
        graded(exercise, stream([*WHOLE[:5], Broken(message="Boom")], final=False)), "The grader broke: Boom"
    )
    assert_not_graded(
        graded(exercise, stream([Broken(message="no zygote")], final=False)), "could not start: no zygote"
    )


def test_a_supervisor_of_another_version(exercise):
    report = graded(exercise, stream([Ready(version="0.0.1", python="3", protections=())], final=False))
    assert_not_graded(report, f"The sandbox has kata 0.0.1, and this is {__version__}.")
    assert report.problem.advice == "`kata sandbox build` makes a new one."


def test_a_run_whose_time_is_up(exercise):
    assert_not_graded(graded(exercise, Script(stream(WHOLE, final=False), TimeoutError())), "time was up")


def test_a_sandbox_that_fails(exercise):
    report = graded(
        exercise, Script(stream(WHOLE[:4], final=False), SandboxFailure("The daemon is gone.", "Start it."))
    )
    assert_not_graded(report, "The daemon is gone.")
    assert report.problem.advice == "Start it."


def test_a_sandbox_that_takes_no_job(exercise):
    class Deaf(Script):
        def write(self, data: bytes) -> None:
            raise SandboxFailure("It took no job.")

    assert_not_graded(graded(exercise, Deaf(stream([READY], final=False))), "It took no job.")


def test_what_the_supervisor_complained_about_is_kept(exercise):
    ending = FakeEnding(status=1, errors="x" * 5_000 + "MemoryError\n")
    report = graded(exercise, Script(stream(WHOLE[:1], final=False), ending=ending))
    assert_not_graded(report)
    assert report.problem.got.endswith("MemoryError")
    assert len(report.problem.got) == 2_000


def test_once_checks_are_run_the_supervisor_s_log_is_for_nobody_s_eyes(exercise):
    """A traceback of a broken check holds lines of the grader, and a submission can break off a run."""
    ending = FakeEnding(status=1, errors="assert hidden == 3\n")
    report = graded(exercise, Script(stream(WHOLE[:4], final=False), ending=ending))
    assert_not_graded(report)
    assert report.problem.got == ""


def test_a_sandbox_out_of_memory_is_the_submissions_failure(exercise):
    ending = FakeEnding(status=137, out_of_memory=True)
    report = graded(exercise, Script(stream(WHOLE[:5], final=False), ending=ending))
    assert (report.outcome, report.score, report.problem.kind) == ("unmet", 0, "exit")
    # Whatever the kernel has chosen to end, nothing was judged for want of memory.
    unjudged = [
        msgspec.structs.replace(each, result=msgspec.structs.replace(each.result, outcome="inconclusive"))
        if isinstance(each, Finished)
        else each
        for each in WHOLE
    ]
    report = graded(exercise, Script(stream(unjudged), ending=ending))
    assert (report.outcome, report.score, report.problem.kind) == ("unmet", 0, "exit")
    report = graded(exercise, Script(stream(WHOLE), ending=ending))
    assert (report.outcome, report.score) == ("met", 100), "its end was whole before"


def test_an_interrupt_closes_the_sandbox(exercise):
    script = Script(b"", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        grade(exercise, SUBMISSION, FakeLauncher(), seed=1, connection=script)
    assert script.closed == 1


def test_a_submission_too_large_to_send(exercise):
    script = Script(stream(events()))
    huge = Submission("x", {"counter.py": bytes(20_000_000)})
    report = grade(exercise, huge, FakeLauncher(), seed=1, connection=script)
    assert_not_graded(report)


def test_a_sandbox_is_started_where_none_was(exercise):
    launcher = FakeLauncher()
    report = grade(exercise, SUBMISSION, launcher, seed=1)
    assert len(launcher.started) == 1
    assert_not_graded(report)


# ---------------------------------------------------------------- only and needs


def test_only_brings_what_is_needed(exercise):
    def ids(only):
        return [requirement.id for requirement in requirements_of(exercise, only)]

    assert ids(()) == ["counts", "bulk", "refuses"]
    assert ids(("bulk",)) == ["counts", "bulk"]
    assert ids(("refuses",)) == ["refuses"]
    assert ids(("refuses", "bulk")) == ["counts", "bulk", "refuses"]
    assert ids(("unknown",)) == []


def test_only_restricts_the_score(exercise):
    said = [READY, LOADED, Declared(checks=CHECKS[2:]), Started(id="c::three"), finished("c::three")]
    report = graded(exercise, stream(said), only=("refuses",))
    assert (report.outcome, report.score, report.max_score, report.only) == ("met", 40, 40, ("refuses",))
    assert report.replay == "kata check 01-toy --only refuses --seed 7 --sandbox docker"


def test_a_grader_without_modules_is_an_error_of_the_installation(exercise, tmp_path):
    with pytest.raises(ContentError, match="holds no grader"):
        grader_files(msgspec.structs.replace(exercise, grader_folder=tmp_path))


@pytest.mark.parametrize(
    ("source", "lines"), [(b"", 0), (b"# a\n\n  # b\nx = 1  # c\r\n\ty\n", 2), (b"\xff\n\x00", 2), (b"a\rb", 2)]
)
def test_lines_of_code(source, lines):
    assert code_lines(source) == lines


# ---------------------------------------------------------------- scoring


def test_outcomes_together():
    assert outcome_of([]) == "inconclusive", "no evidence is no pass"
    assert outcome_of(["met", "met"]) == "met"
    assert outcome_of(["met", "skipped"]) == "skipped"
    assert outcome_of(["skipped", "inconclusive", "met"]) == "inconclusive"
    assert outcome_of(["inconclusive", "unmet", "met"]) == "unmet"


def test_scores_by_category(exercise):
    found = {"counts": [CheckResult(id="a", text="", outcome="met")]}
    results = judge(exercise, exercise.requirements, found)
    assert [(s.category, s.earned, s.points) for s in by_category(results)] == [
        ("correctness", 40, 40),
        ("timing", 0, 20),
        ("failure", 0, 40),
    ]
    assert overall(results) == "inconclusive"
    assert overall(results[:1]) == "met"
    assert by_category(results[1:2])[0].category == "timing"


# ---------------------------------------------------------------- a real supervisor

TOML = """
    format = 1
    title = "A counter"
    topic = "Warming up"
    file = "counter.py"
    provides = ["Counter", "helper"]

    [[requirements]]
    id = "counts"
    category = "correctness"
    points = 60
    text = "A counter counts what it is told."

    [[requirements]]
    id = "lasts"
    category = "failure"
    points = 40
    text = "A counter can be asked for ever."
    needs = ["counts"]
"""

GRADER = """
    import pytest
    from hypothesis import strategies as st
    from kata.grading import Inconclusive, check, examples

    @pytest.fixture
    def counter(student):
        return student.Counter()

    @check("counts")
    def test_counts(counter):
        '''It counts.

        More that no student reads.'''
        assert counter.add(3) == 3
        assert counter.add(4) == 7

    @check("counts")
    @examples(count=8, numbers=st.lists(st.integers(0, 9), max_size=4))
    def test_counts_anything(world, numbers):
        '''It counts any numbers.'''
        world.reset()
        counter = world.student().Counter()
        for number in numbers:
            last = counter.add(number)
        if numbers:
            assert last == sum(numbers), "the last sum"

    @check("lasts", coverage=False)
    def test_lasts(counter, clock):
        clock.advance(86_400)
        assert counter.add(1) == 1
"""

RIGHT = """
    print("imported")

    class Counter:
        def __init__(self):
            self.total = 0

        def add(self, number):
            self.total += number
            return self.total

    def helper():
        return "never called"
"""

Grade = Callable[..., Report]


@pytest.fixture
def really(tmp_path: Path) -> Grade:
    """Grades a submission with a grader of its own, in a supervisor that is a child process."""

    def really(source: str, grader: str = GRADER, lanes: int = 1, **options: Any) -> Report:
        root = folder_of(
            tmp_path,
            {
                "exercises/01-count/exercise.toml": TOML,
                "exercises/01-count/README.md": "",
                "exercises/01-count/counter.py": "",
                "exercises/01-count/hints.md": "",
                "graders/01-count/test_all.py": grader,
                "mine/counter.py": source,
            },
        )
        exercise = msgspec.structs.replace(Catalog(root).get("01-count"), limits=Limits(call_seconds=0.3))
        files = {"counter.py": (root / "mine/counter.py").read_bytes()}
        launcher = ProcessLauncher()
        connection = options.pop("connection", None) or launcher.start(lanes)
        return grade(exercise, Submission("mine", files), launcher, seed=3, connection=connection, **options)

    return really


def test_a_right_submission_really(really):
    report = really(RIGHT)
    assert (report.outcome, report.score, report.problem) == ("met", 100, None), report
    assert report.output == "imported\n"
    assert [check.text for r in report.requirements for check in r.checks] == [
        "It counts.",
        "It counts any numbers.",
        "test_lasts",
    ]
    [unexecuted] = report.unexecuted
    assert (unexecuted.file, unexecuted.lines) == ("counter.py", (13,))
    assert report.dependability.answers == report.dependability.right > 0
    checks = [check for r in report.requirements for check in r.checks]
    assert checks[1].examples == 8
    assert checks[2].virtual_seconds == 86_400


def told(report: Report) -> list[Any]:
    """All that its checks say, but for how long they took."""
    return [msgspec.structs.replace(check, seconds=0.0) for r in report.requirements for check in r.checks]


@pytest.mark.parametrize(
    "source", [RIGHT, RIGHT.replace("+= number", "+= min(number, 5)"), RIGHT.replace("def add", "def no")]
)
def test_checks_side_by_side_say_what_they_say_in_a_row(really, source):
    in_a_row, side_by_side = really(source), really(source, lanes=3)
    assert told(side_by_side) == told(in_a_row)
    for part in ("outcome", "score", "problem", "unexecuted", "dependability", "output"):
        assert getattr(side_by_side, part) == getattr(in_a_row, part)
    assert side_by_side.problem is None


MEDDLER = f"""{RIGHT}
    import builtins, os, signal
    open("left", "w").close()
    builtins.left = True
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
"""


def ends(process: psutil.Process) -> bool:
    """Within ten seconds; one that nobody has waited for yet has ended, too."""
    for _ in range(100):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.1)
                continue
        return True
    return False


@pytest.mark.parametrize("lanes", [1, 2])
def test_jobs_in_a_row_know_nothing_of_each_other(really, lanes):
    kept: list[Any] = []
    sources = [RIGHT, "def broken(:\n", RIGHT.replace("+= number", "+= min(number, 5)")]
    alone = [really(source) for source in sources]
    first = really(MEDDLER, lanes=lanes, keep=kept.append)
    assert first.outcome == "met"
    scratch = kept[0]._scratch
    for expected, source in zip(alone, sources, strict=True):
        report = really(source, connection=kept.pop(), keep=kept.append)
        assert told(report) == told(expected)
        assert (report.outcome, report.score, report.problem) == (expected.outcome, expected.score, expected.problem)
    [connection] = kept
    connection.read(1, 10)  # of the next stream: the supervisor is done with the last job
    _, *others = psutil.Process(connection._process.pid).children(recursive=True)
    assert all(ends(other) for other in others), "there is more than the first zygote"
    assert [path.name for path in scratch.iterdir()] == ["errors"]
    connection.close()
    assert not scratch.exists()


def test_what_is_asked_for_may_be_the_last_of_many_names(really):
    assert really("for number in range(2_000):\n    globals()[f'name_{number}'] = number\n" + RIGHT).outcome == "met"


@pytest.mark.parametrize("victim", ["job", "zygote"])
def test_a_job_that_is_killed_ends_its_sandbox(really, victim):
    """Nobody knows what it left: the host is told that this was not graded, and nothing is kept."""
    grader = """
        import os, signal
        from pathlib import Path
        from kata.grading import check

        @check("counts")
        def test_counts(student):
            'It counts.'
            job = os.getpid()
            [zygote] = set(Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split()) - {str(job)}
            [zygote] = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
            os.kill({"job": job, "zygote": int(zygote)}["VICTIM"], signal.SIGKILL)
            while Path(f"/proc/{zygote}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                pass  # until it is gone, the process that it started ahead may do all that is asked of it
            student.helper()
            student.Counter()
    """
    kept: list[Any] = []
    launcher = ProcessLauncher()
    connection = launcher.start()
    report = really(RIGHT, grader.replace("VICTIM", victim), only=("counts",), connection=connection, keep=kept.append)
    assert report.outcome == "inconclusive"
    assert not kept
    assert not connection._scratch.exists()


def test_a_lane_that_dies_is_our_fault(really):
    grader = """
        import os
        from kata.grading import check

        @check("counts")
        def test_counts(student):
            'It counts.'
            os._exit(3)

        @check("lasts")
        def test_lasts(student):
            'It lasts.'
    """
    report = really(RIGHT, grader, lanes=2)
    assert report.outcome == "inconclusive"
    assert "The grader broke" in report.problem.message
    assert report.problem.got == ""  # the log could quote the grader


def test_a_run_repeats_itself_exactly(really):
    wrong = RIGHT.replace("self.total += number", "self.total += number if number < 5 else 5")
    first, second = really(wrong, coverage=False), really(wrong, coverage=False)
    assert told(first) == told(second)
    assert first.unexecuted is None
    assert (first.outcome, first.score) == ("unmet", 0)
    lost = first.requirements[0].checks[1].failure
    assert lost.message == "The last sum: expected 6, got 5."
    assert first.requirements[1].outcome == "skipped"


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_brief_run_leaves_out_what_changes_nothing(really, lanes):
    """Three checks of one requirement, of which the first two are unmet: the third one can't change that."""
    grader = """
        from kata.grading import check

        @check("counts")
        def test_counts(student):
            assert student.Counter().add(3) == 3

        @check("counts")
        def test_counts_again(student):
            assert student.Counter().add(4) == 4

        @check("counts")
        def test_is_there(student):
            student.Counter()
    """
    wrong = RIGHT.replace("self.total += number", "self.total += 1")
    whole, brief = (really(wrong, grader, lanes, only=("counts",), brief=brief) for brief in (False, True))
    outcomes = [[check.outcome for check in report.requirements[0].checks] for report in (whole, brief)]
    assert outcomes[0] == ["unmet", "unmet", "met"]
    assert outcomes[1][0] == "unmet"
    assert outcomes[1][-1] == "skipped"
    assert (brief.outcome, brief.score) == (whole.outcome, whole.score) == ("unmet", 0)


@pytest.mark.parametrize(
    ("source", "message", "advice"),
    [
        (
            "class Counter: pass\ndef helpers(): pass\n",
            "counter.py does not define helper.",
            "It has helpers: is that the one?",
        ),
        ("x = 1\n", "counter.py does not define Counter, helper.", "Keep the names and signatures of the stub."),
        ("def broken(:\n", "SyntaxError", "Python can't read the file"),
        ("import nothing_like_this\n", "No module named 'nothing_like_this'", "Only the standard library is there"),
        ("raise ValueError('no')\n", "counter.py can't be imported: ValueError: no", "must only define things"),
        ("while True: pass\n", "kept running without an answer", "must only define things: look for a loop"),
        ("import os; os._exit(0)\n", "ended by itself: exit status 0", "must only define things: take out calls"),
    ],
)
def test_what_cannot_be_loaded_really(really, source, message, advice):
    report = really(source)
    assert (report.outcome, report.score, report.problem.kind) == ("unmet", 0, "load")
    assert message in report.problem.message
    assert advice in report.problem.advice


def test_a_check_that_breaks_costs_nothing(really):
    grader = """
        from kata.grading import Inconclusive, check

        @check("counts")
        def test_breaks(student):
            '''It breaks.'''
            student.helper()
            raise RuntimeError("our own")

        @check("counts")
        def test_cannot_tell(student):
            '''It can't tell.'''
            raise Inconclusive("the machine is too noisy")

        @check("lasts")
        def test_lasts(student):
            '''It is skipped.'''
    """
    report = really(RIGHT, grader)
    assert (report.outcome, report.score) == ("inconclusive", 0)
    broke, noisy = (check.failure for check in report.requirements[0].checks)
    assert "The check itself broke (RuntimeError)" in broke.message
    assert noisy.message == "This could not be judged: the machine is too noisy."
    assert report.requirements[1].checks[0].outcome == "skipped"


def test_each_failure_of_a_submission_really(really):
    grader = """
        from kata.grading import check

        @check("counts")
        def test_raises(student):
            student.helper()

        @check("counts")
        def test_hangs(student):
            student.Counter().add(1)
    """
    source = """
        def helper():
            raise OSError("disk")
        class Counter:
            def add(self, n):
                while True: pass
    """
    report = really(source, grader, only=("counts",))
    raised, hung = report.requirements[0].checks
    assert (raised.failure.kind, raised.failure.places[-1].line) == ("exception", 3)
    assert (hung.failure.kind, hung.failure.places[-1].line) == ("time-out", 6)
    assert (report.score, report.max_score) == (0, 60)


@pytest.mark.parametrize(
    "grader", ["import nothing_like_this\n", "def test_unmarked(): pass\n", "def broken(:\n", "x = 1\n"]
)
def test_a_grader_that_cannot_be_collected(really, grader):
    assert_not_graded(really(RIGHT, grader))


def test_what_is_around_a_folder_stays_as_it_is(tmp_path, monkeypatch):
    """Two that sweep at a time: one finds nothing any more, and /tmp must not be closed to everybody over it."""
    tmp_path.chmod(0o1777)
    process.remove_tree(tmp_path / "gone")
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    outside = tmp_path / "outside"
    outside.touch(0o644)
    folder = tmp_path / "run"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "link").symlink_to(outside)
    remove = shutil.rmtree

    def refused(path: Path, **handler: Any) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)
        [handle] = handler.values()
        handle(os.unlink, str(folder / "inner" / "link"), None)

    monkeypatch.setattr(shutil, "rmtree", refused)
    process.remove_tree(folder)
    assert not folder.exists()
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_folder_goes_also_while_somebody_else_removes_it(tmp_path, monkeypatch):
    """A zygote that is just ending takes away what it made: what has vanished must not end the removal."""
    folder = tmp_path / "run"
    (folder / "node-1").mkdir(parents=True)
    (folder / "node-1" / "file").touch()
    remove = shutil.rmtree
    handled = []

    def overtaken(path: Path, **handler: Any) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)
        [handle] = handler.values()
        handled.append(handle)
        handle(os.rmdir, str(path / "node-0"), None)

    monkeypatch.setattr(shutil, "rmtree", overtaken)
    process.remove_tree(folder)
    assert handled
    assert not folder.exists()
