"""A submission that is stuck, that ends, or that breaks the channel's rules: always a clear failure, never a hang."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from worlds import Probe

from kata.exercise import Limits
from kata.grading import StudentError, raises
from kata.student import orders
from kata.supervisor import node
from kata.supervisor.failures import CheckFailed, Inconclusive, NoRoom, ProcessFailed
from kata.supervisor.proxies import Call
from kata.supervisor.spawner import Spawner, Wish, _Requested
from kata.wire import Lines

CHANNEL = """
    import asyncio, os, socket, stat, struct, sys, time
    def say(data):
        for number in range(3, 64):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, data)
            except OSError:
                pass
"""


def failure_of(call, *args):
    with pytest.raises(ProcessFailed) as caught:
        call(*args)
    return caught.value.failure


# ---------------------------------------------------------------- starved


@pytest.fixture
def guard_at(monkeypatch):
    """A guard with limits of 1 s a call and 4 s a check, in a turn that began at 0 s, and a clock that can be set."""
    now = SimpleNamespace(seconds=0.0)
    clock = SimpleNamespace(monotonic=lambda: now.seconds, process_time=lambda: 0.0)
    monkeypatch.setattr(node, "time", clock)
    guard = node.Guard(Limits(check_seconds=4, call_seconds=1, run_seconds=1000))
    guard.begin_turn(0.0)

    def at(seconds, cpu, running=True):
        """Look at it each second until then, while the CPU time grows steadily; whether the turn is over then."""
        while now.seconds < seconds:
            now.seconds += 1
            over = guard.is_over(cpu * now.seconds / seconds, running)
        return guard, over

    return at


def test_who_gets_no_core_is_not_slow(guard_at):
    """A sixtieth of a core for thirty times as long as a call may take: that says nothing of the submission."""
    assert guard_at(10, cpu=0.2)[1] is False
    guard, over = guard_at(31, cpu=0.5)
    assert over
    assert guard.is_starved(0.5)
    assert not guard.check_is_starved(0.5), "the check has time left"


def test_who_keeps_the_cores_from_himself_is_not_starved(guard_at):
    guard, over = guard_at(31, cpu=0.5)
    assert over
    assert not guard.is_starved(0.5 + 3), "its helpers have used three seconds"


def test_who_dozes_is_not_starved(guard_at):
    guard, over = guard_at(10, cpu=0.5, running=False)
    assert over
    assert not guard.is_starved(0.5)


def test_a_check_that_gets_no_core_is_not_slow(guard_at):
    guard, _ = guard_at(121, cpu=0.9)
    assert guard.check_is_over(0.9)
    assert guard.check_is_starved(0.9)
    assert not guard.check_is_starved(4.1)


# ---------------------------------------------------------------- stuck


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "re.match(r'(a+)+$', 'a' * 60 + 'b')",
        "sum(range(10**12))",
    ],
)
def test_a_busy_loop_is_stopped_and_its_line_named(world_of, body):
    world = world_of(f"import re\ndef outer():\n    inner()\ndef inner():\n    {body}\n", call_seconds=0.2)
    failure = failure_of(world.student().outer)
    assert failure.kind == "time-out"
    assert failure.message == "The submission kept running without an answer and was stopped on line 5 of answer.py."
    assert [(place.line, place.function) for place in failure.places] == [(3, "outer"), (5, "inner")]
    assert failure.places[-1].source == body


@pytest.mark.parametrize(
    "body",
    [
        "lock.acquire(); lock.acquire()",
        "threading.Event().wait()",
        "queue.Queue().get()",
        "os.read(os.pipe()[0], 1)",
        "threading.Thread(target=threading.Event().wait); os.wait4(os.fork() or os.kill(os.getpid(), 19) or 0, 0)",
    ],
)
def test_what_is_blocked_for_good_is_stopped_though_it_uses_no_cpu(world_of, body):
    world = world_of(
        f"import os, queue, threading\nlock = threading.Lock()\nasync def take():\n    {body}\n", call_seconds=0.2
    )
    failure = failure_of(world.student().take)
    assert (failure.kind, failure.places[-1].line) == ("time-out", 4)


def test_a_thread_that_never_ends_is_stopped(world_of):
    world = world_of(
        "import asyncio, threading\nasync def wait():\n    await asyncio.to_thread(threading.Event().wait)\n",
        call_seconds=0.2,
    )
    assert failure_of(world.student().wait).kind == "time-out"


def test_an_import_that_never_ends_is_stopped(world_of):
    world = world_of("while True:\n    pass\n", call_seconds=0.2)
    failure = failure_of(world.student)
    assert (failure.kind, failure.places[-1].file) == ("time-out", "answer.py")


def test_an_async_loop_that_never_waits_is_stopped(world_of):
    world = world_of(
        "import asyncio\nasync def spin():\n    while True:\n        await asyncio.sleep(0)\n", call_seconds=0.2
    )
    assert failure_of(world.student().spin).kind == "time-out"


def test_many_calls_that_are_each_in_time_are_not_in_time_together(world_of):
    world = world_of("def work():\n    for _ in range(300_000): pass\n", check_seconds=0.05)

    def work_again_and_again():
        for _ in range(500):
            world.student().work()
            world.reset()

    assert failure_of(work_again_and_again).kind == "time-out"


def test_after_a_process_was_stopped_the_next_one_works(world_of):
    world = world_of("def spin():\n    while True: pass\ndef works(): return 1\n", call_seconds=0.2)
    failure_of(world.student().spin)
    world.reset()
    assert world.student().works() == 1


# ---------------------------------------------------------------- ended


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("os._exit(0)", "exit status 0"),
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), 15)", "killed by SIGTERM"),
        ("os.abort()", "killed by SIGABRT"),
        ("os.execv('/bin/false', ['false'])", "exit status 1"),
        ("os.closerange(3, 256); time.sleep is None; real_wait()", "it closed its channel"),
    ],
)
def test_a_process_that_ends_is_told_as_it_ended(world_of, body, how):
    world = world_of(f"""
        import os, select, time
        def real_wait():
            select.select([], [], [], 60)
        def end():
            {body}
    """)
    failure = failure_of(world.student().end)
    assert failure.kind == "exit"
    assert failure.message == f"The submission's process ended by itself: {how}."
    assert failure.advice


@pytest.mark.parametrize("body", ["sys.exit(3)", "exit()", "raise SystemExit", "raise KeyboardInterrupt"])
def test_an_exit_in_a_call_is_an_exception(world_of, body):
    student = world_of(f"import sys\ndef plain():\n    {body}\nasync def awaited():\n    {body}\n").student()
    for call in (student.plain, student.awaited):
        with raises("SystemExit", "KeyboardInterrupt", "NameError"):
            call()


def test_an_exit_in_a_task_ends_the_process(world_of):
    world = world_of("""
        import asyncio, sys
        async def work():
            sys.exit("enough")
        async def begin():
            asyncio.ensure_future(work())
            await asyncio.sleep(1)
    """)
    failure = failure_of(world.student().begin)
    assert (failure.kind, failure.message) == ("exit", "The submission's process ended by itself: exit status 70.")


def test_an_exit_at_import(world_of):
    with pytest.raises(StudentError, match="SystemExit: 4"):
        world_of("import sys\nsys.exit(4)\n").student()
    assert failure_of(world_of("import os\nos._exit(4)\n").student).message.endswith("exit status 4.")


def test_too_much_memory_is_a_memory_error(world_of):
    student = world_of(
        "def hog():\n    return len(bytearray(10**9))\ndef works(): return 1\n", memory_mib=128
    ).student()
    with raises("MemoryError"):
        student.hog()
    assert student.works() == 1


def test_endless_recursion_is_an_exception(world_of):
    student = world_of("def dive():\n    return dive()\n").student()
    with raises("RecursionError"):
        student.dive()


# ---------------------------------------------------------------- what outlives


def test_nothing_outlives_its_process(world_of):
    world = world_of("""
        import os, subprocess, sys, threading
        def begin():
            threading.Thread(target=threading.Event().wait, daemon=False).start()
            child = os.fork()
            if child == 0:
                os.setsid()
                while True:
                    os.read(os.pipe()[0], 1)
            other = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            return [os.getpid(), child, other.pid]
    """)
    pids = world.student().begin()
    descriptors = [os.pidfd_open(pid) for pid in pids]
    world.reset()
    world.student()  # orders are carried out one after another: the end comes before it
    for descriptor in descriptors:
        with open(descriptor, "rb"):
            assert select.select([descriptor], [], [], 10)[0], "it was ended"


# ---------------------------------------------------------------- output


def test_a_flood_of_output_is_cut_and_hangs_nothing(world_of):
    world = world_of(
        """
        import os, sys
        def flood():
            for _ in range(200):
                print("x" * 10_000)
                sys.stderr.write("y" * 10_000)
            return "done"
        def few():
            os.write(1, b"\\xff\\x00 hello")
    """,
        output_kib=4,
    )
    student = world.student()
    assert student.flood() == "done"
    assert len(world.output()) == 4096
    assert world.output_cut
    world.begin("again", False)
    world.student().few()
    world.end()
    assert world.output() == "\ufffd\x00 hello"
    assert not world.output_cut


def test_output_that_is_closed_hurts_nobody(world_of):
    student = world_of("""
        import os
        def shut():
            os.close(1); os.close(2)
            return 1
        def works(): return 2
    """).student()
    assert student.shut() == 1
    assert student.works() == 2


# ---------------------------------------------------------------- the channel


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (r"b'\xff' * 4", "4,294,967,295 bytes; at most 1,048,576 may cross"),
        (r"b'GET / HTTP/1.1\r\n'", "1,195,725,856 bytes; at most"),
        (r"struct.pack('>I', 3) + b'abc'", "a malformed message"),
        (r"struct.pack('>I', 0)", "a malformed message"),
        (r"struct.pack('>I', 5000) + b'\x91' * 5000", "a malformed message"),
        (r"struct.pack('>I', 7) + b'\x92\xa4\xff\xff\xff\xff\x00'", "a malformed message"),
    ],
)
def test_garbage_on_the_channel(world_of, data, message):
    world = world_of(CHANNEL + f"    def lie():\n        say({data})\n        return 1\n")
    failure = failure_of(world.student().lie)
    assert failure.kind == "protocol"
    assert message in failure.message


def test_half_a_frame_and_then_silence(world_of):
    world = world_of(
        CHANNEL
        + """
    import select
    def lie():
        say(struct.pack('>I', 100) + b'half')
        select.select([], [], [], 600)
    """,
        call_seconds=0.2,
    )
    assert failure_of(world.student().lie).kind == "time-out"


def test_half_a_frame_and_then_the_end(world_of):
    world = world_of(CHANNEL + "    def lie():\n        say(struct.pack('>I', 100) + b'half')\n        os._exit(0)\n")
    assert failure_of(world.student().lie).kind == "exit"


FORGER = (
    CHANNEL
    + """
    import msgspec
    from kata import wire
    def forge(*turns):
        for messages, state in turns:
            data = msgspec.msgpack.encode(wire.Turn(messages, state))
            say(struct.pack('>I', len(data)) + data)
        os.read(os.pipe()[0], 1)
    def deep(levels):
        value = None
        for _ in range(levels):
            value = wire.Sequence([value])
        return value
    """
)


def forged(world_of, turns, **limits):
    return world_of(FORGER + f"\n    def lie(probe=None):\n        forge({turns})\n", call_seconds=0.3, **limits)


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ("*[([], wire.More())] * 65", "protocol"),
        ("([wire.Ask(1, 99, 'tell', [], {})], wire.Idle(None))", "protocol"),
        ("([wire.Ask(1, 1, '__init__', [], {})], wire.Idle(None))", "protocol"),
        ("([wire.Ask(1, 1, 'told', [], {})], wire.Idle(None))", "protocol"),
        ("([wire.Done(999, 1), wire.Failed(998, wire.Error(['X'], '', []))], wire.Idle(None))", "deadlock"),
        ("([], wire.Asking(77))", "deadlock"),
        ("([], wire.Idle(0))", "time-out"),
        ("([], wire.Idle(-2**62))", "time-out"),
        ("([], wire.Sleeping(0))", "time-out"),
    ],
)
def test_forged_turns(world_of, turns, kind):
    world = forged(world_of, turns)
    with pytest.raises(CheckFailed) as caught:
        world.student().lie(Probe(world))
    assert caught.value.failure.kind == kind


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("deep(90)", "nested deeper than 64 levels"),
        ("deep(400)", "nested deeper than 64 levels"),
        ("wire.Mapping([('a', 1), ('a', 2)])", "the same key twice"),
        ("wire.Handle(5, 'X', {}, home=True)", "a handle to something that does not exist"),
        ("wire.Sequence([wire.Set([wire.Sequence([])], False)])", "an item that can't be hashed"),
    ],
)
def test_forged_answers_that_cannot_be_rebuilt(world_of, monkeypatch, value, message):
    world = forged(world_of, f"([wire.Done(5_000_001, {value})], wire.Idle(None))")
    student = world.student()
    monkeypatch.setattr(Call, "_count", 5_000_000)
    with pytest.raises(CheckFailed, match=message) as caught:
        student.lie()
    assert caught.value.failure.kind == "protocol"


@pytest.mark.parametrize("names", ["7", "wire.Mapping([])", "wire.Sequence([1, 2])", "wire.Handle(4, 'X', {})", "None"])
def test_forged_names_of_a_module(world_of, names):
    world = world_of(FORGER + f"\n    forge(([wire.Done(0, {names})], wire.Idle(None)))\n", call_seconds=0.3)
    assert failure_of(world.student).kind == "protocol"


def test_answers_that_may_not_cross(world_of):
    student = world_of("""
        def big(): return b"x" * 2_000_000
        def long(): return list(range(70_000))
        def deep():
            value = []
            for _ in range(100):
                value = [value]
            return value
        def huge(): return 1 << 20_000
        def works(): return 1
        def hostile():
            class Odd(dict):
                def items(self):
                    raise RuntimeError("ha")
            return Odd()
    """).student()
    for call, message in [
        (student.big, "an answer of 2,000,0.. bytes; at most 1,048,576 may cross"),
        (student.long, "a collection of 70,000 items; at most 65,536 may cross"),
        (student.deep, "nested deeper than 64 levels"),
        (student.huge, "an integer of 20,001 bits"),
        (student.hostile, "ha"),
    ]:
        with pytest.raises(CheckFailed, match=message) as caught:
            call()
        assert caught.value.failure.kind == "protocol"
    assert student.works() == 1


def test_a_large_turn_comes_in_several_frames(world_of):
    world = world_of("""
        import asyncio
        async def tell(probe):
            await asyncio.gather(*(probe.wait(0, b"x" * 300_000) for _ in range(10)))
    """)
    probe = Probe(world)
    world.student().tell(probe)
    assert len(probe.told) == 10


def test_an_argument_that_is_too_large_is_our_own_fault(world_of):
    student = world_of("def f(x): pass").student()
    with pytest.raises(Exception, match="a message of") as caught:
        student.f(b"x" * 2_000_000)
    assert not isinstance(caught.value, CheckFailed)


def test_lines_of_files_that_are_not_the_submissions_are_ignored(world_of):
    world = world_of("x = 1\n")
    world._collect([Lines("answer.py", [1, 77, -3], [1]), Lines("../other.py", [1], [1])])
    assert (world.tally.statements, world.tally.executed) == ({"answer.py": (1,)}, {"answer.py": {1}})


HOST = """
    import gc, select, signal, time
    import msgspec
    from kata.wire import Ask, BigInteger, Done, More, Set, Turn, frame
    host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
    send = host._connection.sendall
    class Cache:
        pass
"""


def test_what_comes_by_drops_is_stopped(world_of):
    world = world_of(
        f"""{HOST}
    def drip():
        send(bytes([0, 16, 0, 0]))
        while True:
            send(b"x")
            select.select([], [], [], 0.02)
            sum(range(20_000))
""",
        call_seconds=0.1,
    )
    assert failure_of(world.student().drip).kind == "time-out"


def test_questions_that_cost_only_the_supervisor_are_stopped(world_of):
    world = world_of(
        f"""{HOST}
    def flood():
        questions = frame(msgspec.msgpack.encode(Turn([Ask(n, 1, "tell", [1], {{}}) for n in range(40_000)], More())))
        for _ in range(7):
            send(questions)
""",
        check_seconds=0.3,
    )
    Probe(world)
    assert failure_of(world.student().flood).kind == "time-out"


def test_a_turn_has_a_size(world_of):
    world = world_of(
        f"""{HOST}
    def speak():
        part = frame(msgspec.msgpack.encode(Turn([Done(10**9, "x" * 1_000_000)], More())))
        for _ in range(60):
            send(part)
"""
    )
    assert "sent one turn of more than 8,388,608 bytes" in failure_of(world.student().speak).message


def test_a_set_whose_items_collide_is_refused_at_once(world_of):
    world = world_of(
        f"""{HOST}
    def collide():
        items = [BigInteger(format((2**61 - 1) * (n + 1024) + 7, "x")) for n in range(20_000)]
        type(host)._finish = lambda self, call_id, *_: self._send(Done(call_id, Set(items, False)))
"""
    )
    with pytest.raises(CheckFailed, match="its answer is a set whose keys collide"):
        world.student().collide()


@pytest.mark.parametrize("answer", ["2000", "[]", "None", "'x' * 3", "{}"])
def test_calls_in_a_row_have_as_many_answers(world_of, answer):
    world = world_of(
        f"""{HOST}
    def add(n):
        return n
    type(host)._start = lambda self, call: self._finish(call.id, {answer})
"""
    )
    with pytest.raises(CheckFailed, match=r"add in a row: its answer is not a list of 3 answers"):
        world.student().add.each([1, 2, 3])


def test_nobody_answers_for_another_process(world_of):
    world = world_of(
        f"""{HOST}
    async def answer(probe, number):
        return await probe.wait(number)
    def answer_all(number):
        for n in range(number - 20, number + 20):
            host._send(Done(n, "forged"))
"""
    )
    probe = Probe(world)
    one, other = world.student("one"), world.student("other")
    waiting = one.answer.start(probe, 5)
    world.clock.advance(1)
    assert other.answer_all(waiting.number) == "forged"
    world.clock.advance(10)
    assert waiting.result() is None


def test_who_hangs_when_it_is_parted_from_is_not_asked_again(world_of):
    world = world_of(
        f"""{HOST}
    type(host)._say_farewell = lambda self, statements: signal.pause()
""",
        call_seconds=0.1,
    )
    world.begin("1:traced", True)
    world.student()
    world.reset()
    assert not world._is_traced()


BURN = """
    import os, signal, time
    def burn():
        until = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) + 0.2
        while time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) < until:
            pass
    def in_a_child():
        if os.fork() == 0:
            burn()
            os._exit(0)
        os.wait()
    def in_a_helper():
        done, ended = os.pipe()
        if os.fork() == 0:
            burn()
            os.write(ended, b"x")
            signal.pause()
        os.read(done, 1)
    def in_a_child_of_a_helper():
        done, ended = os.pipe()
        if os.fork() == 0:
            in_a_child()
            os.write(ended, b"x")
            signal.pause()
        os.read(done, 1)
    def in_a_child_that_nobody_waits_for():
        if os.fork() == 0:
            burn()
            os._exit(0)
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux tells what a process has started")
@pytest.mark.parametrize(
    "where",
    ["burn", "in_a_child", "in_a_helper", "in_a_child_of_a_helper", "in_a_child_that_nobody_waits_for"],
)
def test_work_in_another_process_is_counted(world_of, where):
    student = world_of(BURN).student()
    with student.cpu() as used:
        getattr(student, where)()
    assert used.seconds >= 0.18


# ---------------------------------------------------------------- no room for another process


def test_who_leaves_no_room_for_its_own_processes_has_failed(world_of, spawner, monkeypatch):
    world = world_of("x = 1\n")

    def refuse(wish):
        raise NoRoom("no student process can be started: no space left")

    monkeypatch.setattr(spawner, "spawn", refuse)
    with pytest.raises(NoRoom):
        world.student()  # nobody of this run is there to blame
    monkeypatch.undo()
    world.student()
    monkeypatch.setattr(spawner, "spawn", refuse)
    with pytest.raises(ProcessFailed, match="used up what all of them share"):
        world.student()


def test_a_process_that_was_started_ahead_without_room_is_started_again(tmp_path):
    spawner = Spawner("plain", tmp_path)
    wish = Wish(False, 0, 0, 0)
    spawner.start_ahead(wish)
    assert spawner._spare is not None
    os.kill(spawner._reply_to(spawner._spare).pid, signal.SIGKILL)
    channel = spawner._spare.channel
    while channel.recv(4096):
        pass
    spawned = spawner.spawn(wish)
    assert spawned.channel is not channel
    spawner.destroy(spawned)
    spawner.close()


def test_a_zygote_that_is_killed_takes_its_processes_along(tmp_path):
    """Those of a fork of the first zygote, too, whom nobody else would end."""
    first = Spawner("plain", tmp_path)
    before = set(psutil.Process(first._zygote.process.pid).children())
    lane = first.fork(tmp_path, 0, 1)
    [zygote] = set(psutil.Process(first._zygote.process.pid).children()) - before
    ended = os.pidfd_open(lane.spawn(Wish(False, 0, 0, 0)).visible_pid)
    zygote.kill()
    assert select.select([ended], [], [], 10)[0]
    os.close(ended)
    assert not lane.close(), "nobody knows what it left"
    assert first.close()


def test_a_fork_that_was_refused_for_want_of_room():
    spawner = Spawner.__new__(Spawner)
    spawner._connection, zygote = socket.socketpair()
    channel, other = socket.socketpair()
    requested = _Requested(Wish(False, 0, 0, 0), channel, *os.pipe())
    spawner._owed = deque([requested])
    spawner._taken = {None}
    orders.send(zygote, orders.Reply(failure="BlockingIOError", full=True))
    with pytest.raises(NoRoom, match="BlockingIOError"):
        spawner._reply_to(requested)
    assert channel.fileno() == -1
    for end in (zygote, spawner._connection, other):
        end.close()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "full"), True),
        (BlockingIOError(11, "processes"), True),
        (MemoryError(), True),
        (OSError(1, ""), False),
    ],
)
def test_what_is_a_want_of_room(error, full):
    assert orders.is_full(error) == full


# ---------------------------------------------------------------- our own faults


def test_a_process_that_cannot_be_confined_is_our_fault(tmp_path):
    """Nor is anything graded beside a process of which something may be left."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    spawner = Spawner("plain", blocked)
    with pytest.raises(Inconclusive, match="could not be confined: NotADirectoryError"):
        spawner.probe()
    with pytest.raises(Inconclusive):
        spawner.probe()
    with pytest.raises(Inconclusive, match="could not be ended: NotADirectoryError"):
        spawner.probe()
    spawner.close()


def test_an_order_that_failed_muddles_no_other():
    spawner = Spawner.__new__(Spawner)
    spawner._connection, zygote = socket.socketpair()
    first, second = (_Requested(Wish(False, 0, 0, 0), spawner._connection, -1, -1) for _ in range(2))
    spawner._owed = deque([None, first, second])
    for reply in (orders.Reply(), orders.Reply(failure="no more processes"), orders.Reply(pid=7)):
        orders.send(zygote, reply)
    assert spawner._reply_to(second).pid == 7
    with pytest.raises(Inconclusive, match="no more processes"):
        spawner._reply_to(first)
    zygote.close()
    spawner._connection.close()


def test_a_zygote_that_is_gone_is_our_fault(tmp_path):
    spawner = Spawner("plain", tmp_path)
    assert "rlimits" in spawner.probe()[0]
    spawner._zygote.process.kill()
    spawner._zygote.process.wait()
    with pytest.raises(Inconclusive, match="the zygote ended unexpectedly"):
        spawner.spawn(Wish(False, 0, 0, 0))
    spawner.close()


def test_the_folder_of_a_process_goes_with_it(spawner, world_of):
    world = world_of("""
        import os
        def litter():
            os.makedirs("a/b/c")
            open("a/b/c/file", "w").close()
            os.chmod("a/b", 0)
            return os.getcwd()
    """)
    folder = Path(world.student().litter())
    assert folder.is_dir()
    world.reset()
    world.student()  # was started before the other's end was ordered
    world.student()  # orders are carried out one after another
    assert not folder.exists()


# ---------------------------------------------------------------- what is told of it


def test_what_nobody_looked_at_is_told_without_lines_of_ours(world_of):
    """The learner wrote one of ten frames: the others, and where kata is installed, would drown it."""
    world = world_of("""
        import asyncio, gc, threading, warnings

        async def fail():
            raise LookupError("no such shelf")

        async def forget():
            asyncio.create_task(fail())
            await asyncio.sleep(1)
            gc.collect()

        def warn():
            warnings.warn("a shelf is full")

        def never_awaited():
            fail()

        def in_a_thread():
            thread = threading.Thread(target=lambda: {}["bell"])
            thread.start()
            thread.join()
    """)
    student = world.student()
    student.forget()
    student.never_awaited()
    student.in_a_thread()
    student.warn()
    world.end()
    assert world.output().splitlines() == [
        "Task exception was never retrieved: LookupError('no such shelf'): answer.py, line 5",
        "answer.py:16: RuntimeWarning: coroutine 'fail' was never awaited",
        "Exception in a thread: KeyError('bell'): answer.py, line 19",
        "answer.py:13: UserWarning: a shelf is full",
    ]
