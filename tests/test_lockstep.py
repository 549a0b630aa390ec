"""Virtual time and deterministic concurrency, through real student processes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from worlds import Probe, times

from kata.grading import StudentError, named, raises, remote, settle, together
from kata.supervisor.failures import CheckFailed, Inconclusive, ProcessFailed
from kata.wire import Record

DAY = 86_400

SLEEPER = """
    import asyncio, datetime, time

    async def nap(seconds, value=None):
        await asyncio.sleep(seconds)
        return value

    def doze(seconds):
        time.sleep(seconds)

    async def clocks():
        return [time.time(), time.monotonic(), time.perf_counter(), asyncio.get_running_loop().time(),
                datetime.datetime.now(datetime.timezone.utc).timestamp(),
                time.time_ns() / 1e9, time.monotonic_ns() / 1e9]
"""


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("days", [0, 50, 100, 1000])
@pytest.mark.parametrize("ahead", [4e-10, 9.97e-10, 1e-9, 1.5e-9, 0.2000000004])
def test_who_waits_for_what_is_left_gets_there(world_of, ahead, days):
    """asyncio runs a timer early that is due within a nanosecond; where the clock stands still, for ever anew."""
    world = world_of("""
        import asyncio, time

        async def wait(ahead):
            until, rounds = time.monotonic() + ahead, 0
            while (left := until - time.monotonic()) > 0 and rounds < 100:
                rounds += 1
                try:
                    await asyncio.wait_for(asyncio.Event().wait(), min(left, 0.2))
                except TimeoutError:
                    pass
            return rounds
    """)
    student = world.student()
    world.clock.advance(days * DAY)
    assert student.wait(ahead) <= 3


def test_steps_count_until_an_answer(world_of, monkeypatch):
    """However many calls a check makes, each of them may take its time."""
    monkeypatch.setattr("kata.supervisor.world.STEPS_MAX", 60)
    student = world_of("""
        import asyncio
        async def nap(times):
            for _ in range(times):
                await asyncio.sleep(1)
    """).student()
    for _ in range(5):
        student.nap(20)
    with pytest.raises(ProcessFailed, match=r"After 61 steps .* has not answered"):
        student.nap(200)


# ---------------------------------------------------------------- calls


def test_plain_and_async_functions_answer(world_of):
    student = world_of("""
        def plain(a, *, b):
            return a + b
        async def awaited(a, *, b):
            return a * b
    """).student()
    assert student.plain(2, b=3) == 5
    assert student.awaited(2, b=3) == 6


def test_an_object_stays_in_its_process(world_of):
    """What one process gave can't be given to another, unless it is plain data; the failure says so."""
    world = world_of("""
        class Letter:
            pass
        def write():
            return Letter()
        def read(letter):
            return isinstance(letter, Letter)
    """)
    one, other = world.student("one"), world.student("other")
    letter = one.write()
    assert one.read(letter) is True
    with pytest.raises(CheckFailed, match="What one gave can't go to other"):
        other.read(letter)


def test_objects_stay_and_are_named(world_of):
    world = world_of("""
        class LineBuffer:
            def __init__(self, size):
                self.size = size
            def held(self):
                return self.size
            def itself(self):
                return self
            def same(self, other):
                return other is self
    """)
    student = world.student()
    first, second = student.LineBuffer(3), student.LineBuffer(4)
    assert (first.held(), second.held()) == (3, 4)
    assert first.same(first)
    assert not first.same(second)
    assert first.itself().same(first)
    assert repr(named("mine", second)) == "mine"
    second.held()
    texts = [text for _, text, _ in times(world)]
    assert texts[0] == "line_buffer = LineBuffer(3)"
    assert texts[-1] == "mine.held()"
    with pytest.raises(AttributeError):
        _ = first._secret


def test_what_has_no_such_name_is_an_exception_of_the_submission(world_of):
    student = world_of("def f(): pass").student()
    with pytest.raises(StudentError, match=r"AttributeError: module 'answer' has no attribute 'g'"):
        student.g()
    with pytest.raises(StudentError, match=r"TypeError: f\(\) takes 0 positional arguments"):
        student.f(1)


def test_records_cross_both_ways_and_are_the_submissions_own(world_of):
    student = world_of("""
        import dataclasses, enum, typing
        @dataclasses.dataclass(frozen=True)
        class Order:
            id: int
            lines: list
            total: int = dataclasses.field(init=False, default=0)
        class Point(typing.NamedTuple):
            x: int
        class Colour(enum.Enum):
            RED = "r"
        def make():
            order = Order(1, [Point(2), Colour.RED])
            object.__setattr__(order, "total", 7)
            return order, Point(3), Colour.RED
        def check(values):
            order, point, colour = values
            return type(order) is Order and order.total == 7 and type(point) is Point and colour is Colour.RED
        def keep():
            return [Order(2, [])]
    """).student()
    made = student.make()
    assert made[0] == Record("Order", id=1, lines=[Record("Point", x=2), Record("Colour", name="RED")], total=7)
    assert student.check(made)
    assert student.Order(5, []) is not None, "what is constructed is held there"
    assert student.keep() == [Record("Order", id=2, lines=[], total=0)]


def test_a_fake_that_comes_back_is_the_fake(world_of):
    world = world_of("""
        def echo(value):
            return [value, repr(value)]
    """)
    probe = Probe(world)
    assert world.student().echo(probe) == [probe, "<probe>"]


def test_each_makes_bulk_calls_in_order(world_of):
    world = world_of("""
        import asyncio
        def double(n): return 2 * n
        async def wait(a, b):
            await asyncio.sleep(a)
            return b
    """)
    student = world.student()
    assert student.double.each(range(1000)) == [2 * n for n in range(1000)]
    assert world.clock.now == 0
    assert student.wait.each([(1, "a"), (2, "b")]) == ["a", "b"]
    assert world.clock.now == 3
    assert student.wait.each([(1, "a"), (2, "b")], at_once=True) == ["a", "b"]
    assert world.clock.now == 5
    with pytest.raises(StudentError, match="TypeError"):
        student.double.each([1, None])
    assert ("wait × 2", "['a', 'b']") in [(text, result) for _, text, result in times(world)]


def test_each_call_in_bulk_is_of_the_method_that_is_there(world_of):
    """An object in the state pattern replaces its methods when its state changes."""
    student = world_of("""
        class Switch:
            def press(self):
                self.press = lambda: "off"
                return "on"
        switch = Switch()
        def make(): return switch
    """).student()
    switch = student.make()
    assert switch.press.each([(), (), ()]) == ["on", "off", "off"]


# ---------------------------------------------------------------- time


def test_a_day_passes_by_itself(world_of):
    world = world_of(SLEEPER)
    student = world.student()
    before = student.clocks()
    world.clock.advance(DAY)
    after = student.clocks()
    assert world.clock.now == DAY
    assert [round(b - a, 5) for a, b in zip(before, after, strict=True)] == [DAY] * 7


def test_sleeping_a_week_in_either_way(world_of):
    world = world_of(SLEEPER)
    student = world.student()
    student.nap.start(7 * DAY)
    world.clock.advance(7 * DAY)
    assert world.clock.now == 7 * DAY
    student.doze(0.25)
    assert world.clock.now == 7 * DAY + 0.25
    with raises("ValueError"):
        student.doze(-1)
    student.doze(0)


def test_a_process_in_time_sleep_does_nothing_else(world_of):
    world = world_of(SLEEPER)
    student = world.student()
    doze, nap = student.doze.start(10), student.nap.start(2)
    settle([doze, nap])
    assert doze.answered_at in (10, 12), "the nap may have begun before"
    assert nap.answered_at >= 10


def test_an_endless_sleep_is_cut_off_not_a_crash(world_of):
    world = world_of(SLEEPER)
    call = world.student().doze.start(1e300)
    world.clock.advance(DAY)
    assert not call.done
    with pytest.raises(CheckFailed, match="timers still go on"):
        call.result()


def test_the_wall_clock_steps_alone(world_of):
    world = world_of(SLEEPER)
    student = world.student()
    before = student.clocks()
    world.clock.step_wall(-3600)
    after = student.clocks()
    assert [round(b - a, 5) for a, b in zip(before, after, strict=True)] == [-3600, 0, 0, 0, -3600, -3600, 0]
    world.clock.step_wall(60)
    assert [text for _, text, _ in times(world) if "wall" in text] == [
        "the wall clock is set back by 3600 s",
        "the wall clock is set forward by 60 s",
    ]
    assert 2025 <= datetime.fromtimestamp(before[0], UTC).year <= 2031


def test_time_never_goes_back(world_of):
    world = world_of(SLEEPER)
    with pytest.raises(ValueError, match="can't go back"):
        world.clock.advance(-1)


def test_timeouts_of_asyncio_are_virtual(world_of):
    world = world_of("""
        import asyncio
        async def limited(seconds):
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.sleep(10)
            except TimeoutError:
                return "late"
            return "in time"
        async def waits():
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 90_000)
            except TimeoutError:
                return "late"
    """)
    student = world.student()
    assert student.limited(4) == "late"
    assert world.clock.now == 4
    assert student.limited(11) == "in time"
    call = student.waits.start()
    world.clock.advance(90_000)
    assert call.result() == "late"
    assert call.answered_at == 90_014


def test_work_at_import_may_sleep_and_ask_for_the_time(world_of):
    world = world_of("""
        import time
        began = time.monotonic()
        time.sleep(3)
        def took():
            return time.monotonic() - began
    """)
    assert world.student().took() == 3
    assert world.clock.now == 3


# ---------------------------------------------------------------- threads


THREADS = """
    import asyncio, threading, time
    async def slept(seconds):
        began = time.monotonic()
        await asyncio.to_thread(time.sleep, seconds)
        return time.monotonic() - began
    async def several(seconds):
        await asyncio.gather(*(asyncio.to_thread(time.sleep, s) for s in seconds))
        return time.monotonic()
    async def told(probe, values):
        return await asyncio.gather(*(asyncio.to_thread(probe.tell, value) for value in values))
    async def blocked(probe, seconds):
        def work():
            return probe.block(seconds, "a") + probe.block(seconds, "b")
        return await asyncio.to_thread(work)
    async def worked():
        return await asyncio.to_thread(sum, range(100_000))
    async def raised():
        await asyncio.to_thread(int, "x")
"""


def test_threads_live_in_virtual_time(world_of):
    world = world_of(THREADS)
    student = world.student()
    assert student.slept(3600) == 3600
    student.several([1, 2, 3])
    assert world.clock.now == 3603, "threads sleep side by side"
    assert student.worked() == 4999950000
    with raises("ValueError"):
        student.raised()


def test_threads_call_fakes_plainly(world_of):
    world = world_of(THREADS)
    probe = Probe(world)
    student = world.student()
    assert sorted(student.told(probe, ["a", "b", "c"])) == [1, 2, 3]
    assert sorted(probe.told) == ["a", "b", "c"]
    assert student.blocked(probe, 5) == "ab"
    assert world.clock.now == 10


# ---------------------------------------------------------------- fakes


ASKER = """
    import asyncio
    class Refused(Exception):
        pass
    def tell(probe, *values):
        return [probe.tell(value) for value in values]
    async def wait(probe, seconds, value=None):
        return await probe.wait(seconds, value)
    def block(probe, seconds):
        return probe.block(seconds, "answer")
    async def ask(probe, kind):
        try:
            await probe.fail(kind)
        except Refused as error:
            return ["own", str(error)]
        except ConnectionError as error:
            return ["built in", str(error)]
        except Exception as error:
            return [type(error).__name__, str(error)]
    async def nap(seconds):
        await asyncio.sleep(seconds)
    async def wrong(probe, how):
        if how == "arguments":
            return await probe.wait(1, 2, 3, 4)
        if how == "names":
            return await probe.wait(seconds=1, other=2)
        if how == "unknown":
            return await probe.missing()
        if how == "many":
            return await probe.wait(*range(60_000))
        if how == "own":
            return await probe.told
"""


def test_fakes_of_each_kind(world_of):
    world = world_of(ASKER)
    probe, student = Probe(world), world.student()
    assert student.tell(probe, "a", "b") == [1, 2]
    assert student.wait(probe, 2, b"x") == b"x"
    assert student.block(probe, 3) == "answer"
    assert probe.moments == [0, 0, 2, 5]
    assert times(world)[-1] == (2.0, "block(probe, 3)", "'answer'")
    assert world.lines()[0][-1].note == "1 block, after 3 s"


def test_a_blocking_call_blocks_the_process(world_of):
    world = world_of(ASKER)
    probe, student = Probe(world), world.student()
    block = student.block.start(probe, 10)
    world.clock.advance(1)
    nap = student.nap.start(2)
    settle([block, nap])
    assert (block.answered_at, nap.answered_at) == (10, 12)


def test_exceptions_of_fakes_arrive_by_name(world_of):
    world = world_of(ASKER)
    probe, student = Probe(world), world.student()
    assert student.ask(probe, "Refused") == ["own", "no"]
    assert student.ask(probe, "ConnectionError") == ["built in", "no"]
    assert student.ask(probe, "NeverHeardOf") == ["NeverHeardOf", "no"]
    assert student.ask(probe, "SystemExit") == ["SystemExit", "no"], "never one that ends the process"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("arguments", "TypeError"),
        ("names", "TypeError"),
        ("unknown", "AttributeError"),
        ("many", "TypeError"),
        ("own", "AttributeError"),
    ],
)
def test_a_wrong_call_of_a_fake_is_an_exception_of_the_submission(world_of, how, error):
    world = world_of(ASKER)
    student, probe = world.student(), Probe(world)
    call = student.wrong.start(probe, how)
    settle([call])
    assert call.error.type == error
    assert all(len(line.text) < 2_000 for line in world.lines()[0]), "a transcript can't be flooded"


def test_an_object_without_remote_methods_cannot_be_exposed(world_of):
    with pytest.raises(TypeError, match="has no method marked @remote"):
        world_of("").expose(object(), "thing")


def test_replies_come_in_the_order_of_their_effects(world_of):
    for seed in range(8):
        world = world_of(
            """
            import asyncio
            seen = []
            async def one(probe, n):
                seen.append(await probe.wait(1, n))
            async def all(probe):
                await asyncio.gather(*(one(probe, n) for n in range(6)))
                return seen
            """,
            seed=seed,
        )
        probe = Probe(world)
        assert world.student().all(probe) == probe.told


# ---------------------------------------------------------------- concurrency


def interleaving(world_of, seed):
    world = world_of(ASKER, seed=seed)
    probe, student = Probe(world), world.student()
    together(student.wait.start(probe, 1, n) for n in range(6))
    return probe.told, world.lines()


def test_the_seed_decides_the_interleaving(world_of):
    runs = [interleaving(world_of, seed) for seed in range(5)]
    assert [interleaving(world_of, seed) for seed in range(5)] == runs
    assert len({tuple(told) for told, _ in runs}) > 1
    assert all(sorted(told) == list(range(6)) for told, _ in runs)


def test_each_reset_is_a_new_run(world_of):
    world = world_of("""
        held = []
        def add(value):
            held.append(value)
            return held
    """)
    assert world.student().add(1) == [1]
    world.clock.advance(5)
    world.reset()
    assert world.clock.now == 0
    assert world.lines() == ((), 0)
    assert world.student().add(2) == [2]


def test_together_and_settle(world_of):
    world = world_of("""
        async def half(n):
            if n % 2:
                raise ValueError(f"{n} is odd")
            return n // 2
    """)
    student = world.student()
    assert together(student.half.start(n) for n in (4, 2)) == [2, 1]
    with pytest.raises(StudentError, match="3 is odd"):
        together(student.half.start(n) for n in (4, 3))
    calls = settle(student.half.start(n) for n in (4, 3))
    assert [call.done for call in calls] == [True, True]
    assert [call.error and call.error.message for call in calls] == [None, "3 is odd"]
    assert together([]) == settle([]) == []
    assert repr(calls[0]) == "half(4)"


def test_an_unanswered_call_has_no_moment(world_of):
    call = world_of(SLEEPER).student().nap.start(1)
    assert not call.done
    with pytest.raises(AttributeError, match="has not been answered yet"):
        _ = call.answered_at


CANCELLED = """
    import asyncio
    ended = []
    async def work(name):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ended.append(name)
            raise
        return "done"
    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "kept on"
    def plain():
        ended.append("plain")
        return 1
    def what_ended():
        return ended
    def doze():
        import time
        time.sleep(5)
"""


def test_cancel_reaches_the_task(world_of):
    world = world_of(CANCELLED)
    student = world.student()
    call, other = student.work.start("a"), student.stubborn.start()
    world.clock.advance(1)
    call.cancel()
    other.cancel()
    assert settle([call])[0].error.type == "CancelledError"
    assert call.answered_at == 1
    assert other.result() == "kept on"
    assert student.what_ended() == ["a"]
    call.cancel()
    assert [text for _, text, _ in times(world) if "cancelled" in text] == [
        "work('a') is cancelled",
        "stubborn() is cancelled",
    ]


def test_cancelled_before_it_began(world_of):
    """What is cancelled in the moment of its start never runs, and is answered nevertheless."""
    for seed in range(3):
        student = world_of(CANCELLED, seed=seed).student()
        call, plain = student.work.start("a"), student.plain.start()
        call.cancel()
        plain.cancel()
        assert settle([call])[0].error.type == "CancelledError"
        assert plain.result() == 1, "a plain call can't be cancelled"
        assert student.what_ended() == ["plain"]


def test_cancelled_while_the_process_sleeps(world_of):
    world = world_of(CANCELLED)
    student = world.student()
    doze = student.doze.start()
    world.clock.advance(1)
    call = student.work.start("a")
    world.clock.advance(1)
    call.cancel()
    settle([doze, call])
    assert call.error.type == "CancelledError"
    assert student.what_ended() == []


def test_many_replies_at_once_need_several_frames(world_of):
    """A process that slept while more than a frame's worth of replies came still has them all."""
    world = world_of("""
        import asyncio, time
        async def read(probe):
            calls = [asyncio.ensure_future(probe.wait(1, b"x" * 100_000)) for _ in range(15)]
            await asyncio.sleep(0)
            time.sleep(5)
            return sum(len(part) for part in await asyncio.gather(*calls))
    """)
    assert world.student().read(Probe(world)) == 1_500_000


# ---------------------------------------------------------------- what is never answered


def test_a_deadlock_is_said_at_once(world_of):
    world = world_of("""
        import asyncio
        lock = asyncio.Lock()
        async def take():
            await lock.acquire()
    """)
    student = world.student()
    student.take()
    with pytest.raises(CheckFailed, match=r"take\(\) is never answered. Everything waits, no timer is set") as caught:
        student.take()
    assert caught.value.failure.kind == "deadlock"
    assert world.clock.now == 0
    line = world.lines()[0][-1]
    assert (line.result, line.expected) == ("never answered", "an answer")


def test_a_call_lost_among_endless_timers(world_of):
    world = world_of("""
        import asyncio
        async def tick():
            while True:
                await asyncio.sleep(60)
        async def lost():
            asyncio.ensure_future(tick())
            await asyncio.Event().wait()
    """)
    with pytest.raises(CheckFailed, match=r"lost\(\) is never answered. 1 h of virtual time later timers still go on"):
        world.student().lost()


def test_a_module_that_never_loads(world_of):
    world = world_of("""
        import time
        while True:
            time.sleep(600)
    """)
    with pytest.raises(CheckFailed, match="importing the submission is never answered"):
        world.student()


@pytest.mark.parametrize(
    "body",
    [
        "while True: probe.tell(1)",
        "while True: time.sleep(1e-9)",
        "while True: await asyncio.sleep(1e-9)",
        "while True: await probe.wait(0)",
    ],
)
def test_a_loop_of_tiny_steps_is_stopped(world_of, body):
    world = world_of(f"import asyncio, time\nasync def spin(probe):\n    {body}\n", check_seconds=0.2)
    with pytest.raises(ProcessFailed, match=r"still busy, and has (not answered|used up)|kept running") as caught:
        world.student().spin(Probe(world))
    assert caught.value.failure.kind == "time-out"


# ---------------------------------------------------------------- several processes


COUNTER = """
    held = 0
    async def add(probe, n):
        global held
        held += n
        await probe.wait(1, held)
        return held
"""


def test_processes_share_the_world_and_nothing_else(world_of):
    world = world_of(COUNTER)
    probe = Probe(world)
    left, right = world.student("left"), world.student("right")
    assert together([left.add.start(probe, 1), right.add.start(probe, 10)]) == [1, 10]
    assert sorted(probe.told) == [1, 10]
    assert world.clock.now == 1
    assert {line.process for line in world.lines()[0]} == {"left", "right"}
    assert {line.text for line in world.lines()[0] if line.kind == "call"} == {"add(probe, 1)", "add(probe, 10)"}


def test_a_killed_process_is_gone_and_its_successor_knows_nothing(world_of):
    world = world_of(COUNTER)
    probe = Probe(world)
    first = world.student("first")
    first.add(probe, 5)
    first.kill()
    with pytest.raises(RuntimeError, match="the grader has killed that process"):
        first.add(probe, 1)
    assert world.student("second").add(probe, 1) == 1
    assert (1.0, "first is killed", "") in times(world)
    with pytest.raises(Inconclusive), first.cpu():
        pass


def test_calls_of_a_killed_process_end(world_of):
    world = world_of(COUNTER)
    probe = Probe(world)
    first, second = world.student("first"), world.student("second")
    calls = [first.add.start(probe, 1), second.add.start(probe, 1)]
    world.clock.advance(0.5)
    calls.append(first.add.start(probe, 2))
    first.kill()
    settle(calls)
    assert [(call.killed, call.done) for call in calls] == [(True, True), (False, True), (True, True)]
    with pytest.raises(StudentError, match="ProcessKilled: its process was killed"):
        calls[0].result()
    assert "no answer: its process was killed" in {line.result for line in world.lines()[0]}
    first.kill()


class Trap:
    """Kills whoever steps on it."""

    def __init__(self, world):
        world.expose(self, "trap")
        self.steps = 0

    @remote
    def step(self):
        self.steps += 1
        if self.steps == 3:
            self.prey.kill()


def test_a_fake_kills_in_the_middle_of_what_is_asked(world_of):
    world = world_of("""
        def walk(trap, steps):
            for _ in range(steps):
                trap.step()
            return "through"
    """)
    trap = Trap(world)
    trap.prey = world.student()
    call = trap.prey.walk.start(trap, 5)
    settle([call])
    assert call.killed
    assert trap.steps == 3
    trap.prey = world.student()
    assert trap.prey.walk(trap, 5) == "through"


def test_what_a_submission_draws_by_chance_is_the_same_in_every_run(world_of):
    source = """
        import os, random
        def draw():
            return random.random()
        def hashes():
            return os.environ["PYTHONHASHSEED"]
    """
    world = world_of(source, seed=3)
    first, second = [world.student().draw() for _ in range(2)]
    world.reset()
    assert [world.student().draw() for _ in range(2)] == [first, second]
    assert first != second
    assert world.student().hashes() == "0"
    assert world_of(source, seed=4).student().draw() != first


def test_cpu_time_is_read_from_outside(world_of):
    student = world_of("""
        def work(n):
            return sum(range(n))
    """).student()
    with student.cpu() as used:
        student.work(200_000)
    assert used.seconds > 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no way to choose a core")
def test_cpu_time_is_compared_on_one_core(world_of):
    world = world_of("""
        import os

        def cores():
            return sorted(os.sched_getaffinity(0))
    """)
    first, second, other = world.student(), world.student(), world.student()
    for student in (first, second, first):
        with student.cpu():
            student.cores()
    assert first.cores() == second.cores()
    assert len(first.cores()) == 1
    assert other.cores() == sorted(os.sched_getaffinity(0))


def test_memory_is_read_from_outside(world_of):
    student = world_of("""
        held = []
        def hold(mebibytes):
            held.append(bytearray(mebibytes * 1024 * 1024))
    """).student()
    before = student.memory()
    student.hold(8)
    assert 8 <= (student.memory() - before) / 1024**2 < 10
    student.kill()
    with pytest.raises(Inconclusive):
        student.memory()


@pytest.mark.parametrize("where", ["shared", "in_a_helper"])
def test_memory_elsewhere_is_the_process_s_own(world_of, where):
    student = world_of("""
        import mmap, os, signal
        def shared(size):
            global memory
            memory = mmap.mmap(-1, size)
            memory.write(bytes(size))
        def in_a_helper(size):
            done, full = os.pipe()
            if os.fork() == 0:
                memory = b"x" * size
                os.write(full, b"x")
                signal.pause()
            os.read(done, 1)
    """).student()
    before = student.memory()
    getattr(student, where)(16 * 1024 * 1024)
    assert student.memory() - before >= 16 * 1024**2


# ---------------------------------------------------------------- errors


def test_only_the_submissions_frames_are_told(world_of):
    world = world_of(
        {
            "answer.py": """
                import asyncio, helper
                class Lost(KeyError):
                    pass
                async def outer(key):
                    return await asyncio.wait_for(inner(key), 5)
                async def inner(key):
                    return helper.find(key)
            """,
            "helper.py": """
                import json
                def find(key):
                    import answer
                    try:
                        return json.loads("{}")[key]
                    except KeyError:
                        raise answer.Lost(key) from None
            """,
        }
    )
    with raises("KeyError") as raised:
        world.student().outer("ada")
    error = raised.error
    assert (error.type, error.types[:3]) == ("Lost", ("Lost", "KeyError", "LookupError"))
    assert error.message == "'ada'"
    assert {place.file for place in error.places} == {"answer.py", "helper.py"}
    last = error.places[-1]
    assert (last.file, last.line, last.function, last.source) == (
        "helper.py",
        8,
        "find",
        "raise answer.Lost(key) from None",
    )
    assert times(world)[-1][2] == "raised Lost: 'ada'"
    failure = error.failure()
    assert (failure.kind, failure.message) == ("exception", "outer('ada') raised Lost: 'ada'")


def test_raises_says_what_came_instead(world_of):
    student = world_of("""
        def wrong(): raise OSError("disk")
        def right(): return 1
        def empty(): raise KeyError
    """).student()
    with raises("ValueError", "OSError") as raised:
        student.wrong()
    assert str(raised.error) == "OSError: disk"
    with raises("KeyError") as raised:
        student.empty()
    assert str(raised.error) == "KeyError"
    with (
        pytest.raises(
            CheckFailed, match="raised OSError where a correct system raises KeyError or ValueError"
        ) as caught,
        raises("KeyError", "ValueError"),
    ):
        student.wrong()
    assert caught.value.failure.kind == "exception"
    with pytest.raises(CheckFailed, match="where a correct system raises KeyError") as caught, raises("KeyError"):
        student.right()
    assert caught.value.failure.kind == "no-exception"


@pytest.mark.parametrize(
    ("source", "type_", "line"),
    [
        ("def broken(:\n    pass\n", "SyntaxError", 1),
        ("import nothing_like_this\n", "ModuleNotFoundError", 1),
        ("x = 1\n1 / 0\n", "ZeroDivisionError", 2),
    ],
)
def test_a_submission_that_cannot_be_imported(world_of, source, type_, line):
    with pytest.raises(StudentError) as caught:
        world_of(source).student()
    assert caught.value.type == type_
    assert [place.line for place in caught.value.places] == [line]


# ---------------------------------------------------------------- counting and the transcript


def test_calls_under_a_fault_count_for_availability(world_of):
    world = world_of("""
        def works(): return 1
        def fails(): raise OSError
    """)
    student = world.student()
    student.works()
    with world.fault("the sky falls", "the sky is mended"):
        student.works()
        settle([student.fails.start()])
    counts = world.tally.dependability()
    assert (counts.operations, counts.answered, counts.answers, counts.right) == (2, 1, 3, 3)
    assert [line.kind for line in world.lines()[0]] == ["call", "fault", "call", "call", "fault"]


def test_things_happen_later_and_are_noted(world_of):
    world = world_of("")
    moments = []
    world.after(2.5, lambda: moments.append(world.clock.now))
    world.clock.advance(2)
    assert moments == []
    world.clock.advance(2)
    assert moments == [2.5]
    world.note("somebody waves")
    assert times(world) == [(4.0, "somebody waves", "")]


def test_a_long_transcript_is_cut_in_the_middle(world_of):
    world = world_of("def f(n): return n // 100")
    student = world.student()
    for n in range(100):
        student.f(n)
    lines, cut = world.lines()
    assert (len(lines), cut) == (60, 40)
    assert (lines[0].text, lines[19].text, lines[20].text, lines[-1].text) == ("f(0)", "f(19)", "f(60)", "f(99)")
    world.entries[30].expected = "something else"
    assert "f(30)" in [line.text for line in world.lines()[0]]
    world.reset()
    student = world.student()
    for _ in range(3):
        student.f(1)
    assert [(line.text, line.note) for line in world.lines()[0]] == [("f(1)", "× 3")]


def test_handles_get_names_of_their_own(world_of):
    world = world_of("")
    assert [world.fresh_name(name) for name in ("HTTPServer", "Cache", "Cache", "")] == [
        "h_t_t_p_server",
        "cache",
        "cache_2",
        "object",
    ]
