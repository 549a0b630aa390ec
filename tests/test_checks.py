"""What graders say: examples that shrink, growth that is sure of itself, and assertions that tell what was got."""

from __future__ import annotations

import gc
import importlib
import random
import sys
import weakref
from textwrap import dedent

import pytest
from hypothesis import strategies as st

from kata.grading import Inconclusive, check, examples, growth, together
from kata.grading import checks as grading_checks
from kata.grading.fakes import Store
from kata.grading.growth import ROUNDS_MAX, ROUNDS_MIN, slope
from kata.supervisor import asserts, plugin
from kata.supervisor.failures import CheckFailed, ProcessFailed, failed

# ---------------------------------------------------------------- what a check leaves


def test_what_a_check_that_failed_held_is_let_go_at_once():
    """Its frames lie in cycles with what was raised: without help they would stay until the collector comes by."""

    class Recording:
        pass

    def check_of(kept):
        recording = Recording()
        kept.append(weakref.ref(recording))
        try:
            raise KeyError(id(recording))
        except KeyError as error:
            raise ValueError from error

    kept: list[weakref.ref[Recording]] = []
    gc.disable()
    try:
        call = pytest.CallInfo.from_call(lambda: check_of(kept), "call")
        assert call.excinfo is not None
        assert kept[0]() is not None
        plugin._let_go(call.excinfo.value)
        assert kept[0]() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------- examples

SUM = """
    import os, time
    def total(numbers):
        if sum(numbers) >= 10:
            return -1
        return sum(numbers)
    def raises(numbers):
        if len(numbers) > 2:
            raise ValueError(len(numbers))
    def dies(numbers):
        if len(numbers) > 2:
            os._exit(1)
"""


class Runs:
    """A property about one function of SUM, and the examples that were tried."""

    def __init__(self, world, function: str) -> None:
        self.world = world
        self.tried: list[list[int]] = []
        self.function = function

    def run(self, count: int = 60) -> CheckFailed | None:
        @examples(count=count, numbers=st.lists(st.integers(0, 20), max_size=8))
        def property_of(world, numbers):
            self.tried.append(numbers)
            world.reset()
            got = getattr(world.student(), self.function)(numbers)
            if self.function == "total" and got != sum(numbers):
                raise failed("wrong-answer", f"{numbers}")

        try:
            property_of(self.world)
        except CheckFailed as error:
            return error
        return None


def test_the_smallest_failing_example_is_reported(world_of):
    runs = Runs(world_of(SUM), "total")
    error = runs.run()
    assert error.failure.message == "[10]"
    lines, cut = error.transcript
    assert ([line.text for line in lines], cut) == (["total([10])"], 0)


def test_an_exception_of_the_submission_fails_an_example(world_of):
    error = Runs(world_of(SUM), "raises").run()
    assert (error.failure.kind, error.failure.got) == ("exception", "ValueError: 3")
    assert error.transcript[0][0].text == "raises([0, 0, 0])"


def test_a_process_that_fails_is_not_tried_again(world_of):
    runs = Runs(world_of(SUM), "dies")
    error = runs.run()
    assert isinstance(error, ProcessFailed)
    assert [len(numbers) > 2 for numbers in runs.tried].count(True) == 1


def test_the_budget_bounds_the_search_for_a_smaller_one(world_of, monkeypatch):
    monkeypatch.setattr(grading_checks, "SHRINK_RUNS_MAX", 3)
    runs = Runs(world_of(SUM), "total")
    assert runs.run() is not None
    first = next(n for n, numbers in enumerate(runs.tried) if sum(numbers) >= 10)
    assert len(runs.tried) - first - 1 <= 3


def test_without_shrinking_the_first_failing_example_is_reported(world_of):
    whole, first = Runs(world_of(SUM), "total"), Runs(world_of(SUM), "total")
    first.world.shrink = False
    assert whole.run() is not None
    assert first.run() is not None
    assert first.tried == whole.tried[: len(first.tried)]
    assert [sum(numbers) >= 10 for numbers in first.tried].index(True) == len(first.tried) - 1


def test_the_seed_determines_the_examples(world_of):
    def tried(seed):
        runs = Runs(world_of("def total(numbers): return sum(numbers)", seed=seed), "total")
        assert runs.run(count=20) is None
        return runs.tried

    assert tried(1) == tried(1)
    assert tried(1) != tried(2)
    assert len(tried(1)) == 20


def test_a_fixture_stays_a_fixture(world_of):
    world = world_of("def f(n): return n")

    @examples(count=3, n=st.integers())
    def property_of(offset, n):
        world.reset()
        if world.student().f(n) + offset != n + 5:
            raise failed("wrong-answer", "no")

    property_of(world=world, offset=5)
    with pytest.raises(CheckFailed):
        property_of(world=world, offset=6)


def test_a_property_that_breaks_itself_is_our_fault(world_of):
    @examples(count=3, n=st.integers())
    def property_of(world, n):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        property_of(world_of(""))

    @examples(count=3, n=st.nothing())
    def impossible(world, n):
        pass

    with pytest.raises(Exception, match=r"(?i)unsatisfiable|nothing"):
        impossible(world_of(""))


def test_an_example_that_cannot_be_judged_ends_the_property(world_of):
    @examples(count=3, n=st.integers())
    def property_of(world, n):
        raise Inconclusive("too noisy")

    with pytest.raises(Inconclusive):
        property_of(world_of(""))


def test_check_marks_the_requirement(request):
    request.config.addinivalue_line("markers", "kata_check(requirement, coverage): as the plugin adds it")

    @check("lru", coverage=False)
    def test():
        """One."""

    [mark] = test.pytestmark
    assert (mark.args, mark.kwargs) == (("lru",), {"coverage": False})


# ---------------------------------------------------------------- growth

SIZES = [32, 128, 512, 2048]


def noisy(exponent, spread, seed=1):
    drawn = random.Random(seed)
    return lambda size: size**exponent * 1e-6 * drawn.lognormvariate(0, spread)


@pytest.mark.parametrize(("exponent", "at_most"), [(0, 0.25), (1, 1.2), (1, 1.0), (2, 2.5)])
def test_work_within_its_bound(exponent, at_most):
    assert growth(noisy(exponent, 0), SIZES, at_most + 1e-9) == pytest.approx(exponent)
    assert growth(noisy(exponent - 0.2, 0.05), SIZES, at_most) <= at_most


@pytest.mark.parametrize(("exponent", "at_most"), [(1, 0.25), (2, 1.2), (0.5, 0.25)])
def test_work_above_its_bound(exponent, at_most):
    with pytest.raises(CheckFailed, match=f"The sorting grows like size to the power of {exponent}") as caught:
        growth(noisy(exponent, 0.02), SIZES, at_most, what="The sorting")
    assert caught.value.failure.kind == "cost"
    assert caught.value.failure.expected == f"an exponent of at most {at_most:g}"


def padded(microseconds_a_look, seed=1):
    """A measurement of ten calls that look at everything after a millisecond's pause, which is never quite the same."""
    drawn = random.Random(seed)
    return lambda size: 10 * (1000 * drawn.lognormvariate(0, 0.002) + size * microseconds_a_look) * 1e-6


def test_work_that_hides_behind_what_stays_the_same(monkeypatch):
    monkeypatch.setattr(sys.modules["kata.grading.growth"], "look_seconds", lambda: 20e-9)
    assert growth(padded(0.020), SIZES, 0.25) < 0.05
    with pytest.raises(
        CheckFailed, match=r"The search grows, beside much that stays the same: in a size of 2048 a call"
    ):
        growth(padded(0.020), SIZES, 0.25, what="The search", calls=10)
    assert growth(padded(0.001), SIZES, 0.25, calls=10) < 0.05


def test_what_stays_the_same_may_be_too_much_to_tell(monkeypatch):
    """Then the exponent decides: no machine is too noisy for a right submission that takes its time."""
    monkeypatch.setattr(sys.modules["kata.grading.growth"], "look_seconds", lambda: 20e-9)
    measured, noise = [], noisy(0, 0.05)

    def a_millisecond(size):
        measured.append(size)
        return 1000 * noise(size)

    assert abs(growth(a_millisecond, SIZES, 0.25, calls=1)) < 0.05
    assert len(measured) == 2 * ROUNDS_MAX * len(SIZES)


def test_a_noisy_machine_cannot_tell():
    measured = []

    def measure(size):
        measured.append(size)
        return noise(size)

    noise = noisy(0.3, 3.0, seed=3)
    with pytest.raises(Inconclusive, match="too noisy to tell"):
        growth(measure, SIZES, 0.25)
    assert len(measured) == ROUNDS_MAX * len(SIZES)


def test_a_clock_that_stood_still_measures_nothing():
    """A process can't have done its work for nothing: that round doesn't count."""
    measured = []

    def measure(size):
        measured.append(size)
        return 0.0 if len(measured) == 2 * len(SIZES) else 1e-3

    assert growth(measure, SIZES, 0.25) == 0
    assert len(measured) == (ROUNDS_MIN + 1) * len(SIZES)
    with pytest.raises(Inconclusive, match="too noisy"):
        growth(lambda size: float(size > SIZES[0]), SIZES, 0.25)


def test_a_right_submission_is_not_blamed_for_a_few_rounds(monkeypatch):
    """A core was fast for the small size and slow for the large one, several times in a row."""
    monkeypatch.setattr(sys.modules["kata.grading.growth"], "look_seconds", lambda: 20e-9)
    measured = []

    def measure(size):
        measured.append(size)
        unlucky = len(measured) <= 6 * len(SIZES) and size == SIZES[-1]
        return 5e-3 if unlucky else 4e-3

    assert abs(growth(measure, SIZES, 0.25, calls=10)) < 0.05


def test_work_of_nothing_counts_as_a_nanosecond():
    assert slope([(1, 0.0), (10, 0.0)]) == 0
    assert growth(lambda size: 0.0, SIZES, 0.1) == 0


# ---------------------------------------------------------------- assertions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Imports source as a grader's module."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(asserts, "_world", None)
    asserts.install(tmp_path)
    names = []

    def module(source):
        name = f"grader_{len(names)}_{tmp_path.name}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(dedent(source))
        return importlib.import_module(name)

    yield module
    for name in names:
        sys.modules.pop(name, None)


def failure_of(function, *args):
    with pytest.raises(CheckFailed) as caught:
        function(*args)
    return caught.value.failure


@pytest.mark.parametrize(
    ("left", "sign", "right", "expected"),
    [
        (1, "==", 2, "2"),
        (1, "!=", 1, "anything but 1"),
        (2, "<", 1, "less than 1"),
        (2, "<=", 1, "at most 1"),
        (1, ">", 2, "more than 2"),
        (1, ">=", 2, "at least 2"),
        (1, "in", [2], "2"),
        (1, "in", [2, 3], "one of [2, 3]"),
        (1, "not in", [1], "none of [1]"),
        (1, "is", None, "None"),
        (None, "is not", None, "anything but None"),
    ],
)
def test_every_operator_says_what_was_expected(module, left, sign, right, expected):
    made = module(f"def hold(left, right):\n    assert left {sign} right\ndef fine():\n    assert not (1 == 2)\n")
    failure = failure_of(made.hold, left, right)
    assert (failure.kind, failure.expected, failure.got) == ("wrong-answer", expected, repr(left))
    assert failure.message == f"What came: expected {expected}, got {left!r}."
    made.fine()


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_what_cannot_even_be_compared_is_wrong(module, sign):
    made = module(f"def hold(left, right):\n    assert left {sign} right, 'the size'\n")
    assert failure_of(made.hold, None, 3).message.startswith("The size: expected ")
    assert failure_of(made.hold, "3", 3).got == "'3'"


def test_what_cannot_be_looked_for_is_wrong(module):
    made = module("def hold(left, right):\n    assert left in right\n")
    assert failure_of(made.hold, [1], {1, 2}).got == "[1]"
    assert failure_of(made.hold, 1, None).got == "1"


def test_anything_else_must_be_true(module):
    made = module("""
        from kata.grading import Object

        def plain(value):
            assert value, "the flag"
        def chained(value):
            assert 0 < value < 5
        def kind(value):
            assert isinstance(value, list | tuple), "the answer"
        def number(value):
            assert isinstance(value, int)
        def held(value):
            assert isinstance(value, Object), "the shop"
        def either(value):
            assert value == 1 or value == 2, f"the value {value}"
        def both(value):
            assert value > 0 and value < 5
    """)
    assert failure_of(made.plain, []).message == "The flag: expected something true, got []."
    assert failure_of(made.chained, 7).message == "What came: expected less than 5, got 7."
    assert failure_of(made.chained, -1).message == "What came: expected more than 0, got -1."
    assert failure_of(made.kind, {}).message == "The answer: expected something of type list or tuple, got {}."
    assert failure_of(made.number, "1").message == "What came: expected something of type int, got '1'."
    assert failure_of(made.held, 1).message == "The shop: expected something of type object with methods, got 1."
    assert failure_of(made.either, 3).message == "The value 3: expected something true, got False."
    assert failure_of(made.both, 9).message == "What came: expected less than 5, got 9."
    assert failure_of(made.both, -1).message == "What came: expected more than 0, got -1."
    made.plain(1), made.chained(3), made.either(2), made.both(4)


def test_each_side_is_evaluated_once_and_the_subject_only_when_needed(module):
    made = module("""
        seen = []
        def see(value):
            seen.append(value)
            return value
        def equal(left, right):
            assert see(left) == see(right), see("the subject")
    """)
    made.equal(1, 1)
    assert made.seen == [1, 1]
    assert failure_of(made.equal, 2, 3).message == "The subject: expected 3, got 2."
    assert made.seen == [1, 1, 2, 3, "the subject"]


class Hostile:
    def __repr__(self):
        raise SystemError


def test_a_hostile_repr_is_shown_as_such(module):
    made = module("def hold(left, right):\n    assert left == right\n")
    assert failure_of(made.hold, Hostile(), 1).got == "<Hostile, whose repr raised SystemError>"
    assert len(failure_of(made.hold, "x" * 100_000, "y" * 100_000).message) < 600


def test_other_modules_are_left_alone(module, tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "deep.py").write_text("assert True\n")
    finder = sys.meta_path[0]
    assert finder.find_spec("json", None) is None
    assert finder.find_spec("inside.deep", None) is None


ANSWERS = """
    async def echo(value):
        return value
    def failing():
        raise OSError
"""


def test_an_answer_is_judged_beside_its_call(module, world_of):
    made = module("""
        from kata.grading import together
        def direct(student):
            student.echo([0])
            assert student.echo([1]) == [2]
        def named(student):
            assert student.echo([1]) == [2], "the echo"
        def joint(student):
            assert together(student.echo.start([n]) for n in (1, 2, 3)) == [[1], [5], [6]]
        def later(student):
            value = student.echo([1])
            student.echo([7])
            assert value == [2]
    """)
    world = world_of(ANSWERS)
    asserts.watch(world)
    student = world.student()
    assert failure_of(made.direct, student).message == "echo([1]): expected [2], got [1]."
    assert [(line.text, line.expected) for line in world.lines()[0]] == [("echo([0])", ""), ("echo([1])", "[2]")]
    assert failure_of(made.named, student).message == "The echo: expected [2], got [1]."
    failure = failure_of(made.joint, student)
    assert (failure.message, failure.expected, failure.got) == ("echo([2]): expected [5], got [2].", "[5]", "[2]")
    assert [line.text for line in world.lines()[0] if line.expected] == ["echo([1])", "echo([2])"]
    assert failure_of(made.later, student).message == "What came: expected [2], got [1]."


# ---------------------------------------------------------------- the store

CLIENT = """
    async def read(store, key):
        return await store.read(key)
    async def write(store, key, value):
        await store.write(key, value)
    def keep(store):
        return store
"""


@pytest.fixture
def stored(world_of):
    world = world_of(CLIENT)
    store = Store(world)
    store["ada"] = b"v1"
    return world, store, world.student()


def test_a_store_is_read_and_written(stored):
    world, store, student = stored
    assert student.read(store, "ada") == b"v1"
    assert student.read(store, "bob") is None
    student.write(store, "bob", b"w1")
    assert "bob" in store
    assert store["bob"] == b"w1"
    del store["bob"]
    assert "bob" not in store
    assert (store.reads, store.writes) == (["ada", "bob"], [("bob", b"w1")])
    store.forget()
    assert (store.reads, store.writes) == ([], [])
    assert [line.text for line in world.lines()[0] if line.kind == "world"] == [
        "store holds 'ada' = b'v1'",
        "store no longer holds 'bob'",
    ]
    assert student.keep(store) is store


def test_a_read_is_of_its_beginning_and_a_write_of_its_end(stored):
    world, store, student = stored
    with store.slow(seconds=4):
        read, write = student.read.start(store, "ada"), student.write.start(store, "bob", b"w1")
        world.clock.advance(1)
        store["ada"] = b"v2"
        assert "bob" not in store
    assert read.result() == b"v1"
    together([write])
    assert store["bob"] == b"w1"
    assert (read.answered_at, write.answered_at) == (4, 4)


def test_faults_hold_for_their_keys_and_their_block(stored):
    world, store, student = stored

    def outcome(key):
        call = student.read.start(store, key)
        try:
            call.result()
        except Exception as error:
            return error.type
        return call.answered_at - 0

    with store.down():
        assert outcome("ada") == outcome("bob") == "ConnectionError"
    with store.down(keys={"ada"}):
        assert (outcome("ada"), outcome("bob")) == ("ConnectionError", 0)
    with store.failing(times=2):
        assert [outcome("ada") for _ in range(3)] == ["ConnectionError", "ConnectionError", 0]
    with store.slow(seconds=2, keys={"bob"}), store.slow(seconds=1):
        assert (outcome("ada"), outcome("bob")) == (1, 4)
    assert outcome("ada") == 4
    texts = [line.text for line in world.lines()[0] if line.kind == "fault"]
    assert texts[:4] == ["store is down", "store is up again", "store is down for 'ada'", "store is up again"]
    assert "store is slow: 2 s a call for 'bob'" in texts


def test_a_store_knows_what_it_held(stored):
    world, store, _ = stored
    world.clock.advance(10)
    store["ada"] = b"v2"
    world.clock.advance(10)
    del store["ada"]
    assert store.held_since("ada", 0) == [None, b"v1", b"v2", None]
    assert store.held_since("ada", 15) == [b"v2", None]
    assert store.held_since("ada", 30) == [None]
    assert store.held_since("bob", 5) == [None]
    with pytest.raises(KeyError):
        del store["bob"]


@pytest.mark.parametrize(
    ("method", "args", "message"),
    [
        ("read", (1,), "store.read takes text as its key, not int"),
        ("read", ([],), "store.read takes text as its key, not list"),
        ("write", ("ada", "text"), "store.write takes bytes as its value, not str"),
        ("write", (None, b""), "store.write takes text as its key, not NoneType"),
    ],
)
def test_what_is_no_key_or_value_is_refused(stored, method, args, message):
    _, store, student = stored
    with pytest.raises(Exception, match=message) as caught:
        getattr(student, method)(store, *args)
    assert caught.value.type == "TypeError"
