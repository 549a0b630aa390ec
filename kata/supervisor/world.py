"""The lockstep loop: one queue of events in virtual time, and every student process on it.

    flush: every process that can run has its turn          (it runs until it waits)
    then:  the earliest event happens                       (a fake's reply, a timer, a step of the grader)
    ties:  in an order drawn from the seed

Every process runs until it is idle; then this module decides what happens next. So time is virtual, concurrency is
deterministic, and when every process is idle and the queue is empty, what still waits is a deadlock.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import heapq
import inspect
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, Literal

from kata.exercise import Limits
from kata.report.model import Failure, Line
from kata.supervisor import proxies
from kata.supervisor.failures import CheckFailed, Inconclusive, NoRoom, ProcessFailed, failed
from kata.supervisor.interface import Signature
from kata.supervisor.node import STARVED, Guard, Node
from kata.supervisor.spawner import Spawned, Spawner, Wish
from kata.supervisor.tally import Tally
from kata.supervisor.transcript import Entry, lines_of
from kata.wire import (
    NAME_CHARS_MAX,
    NAMES_MAX,
    Answer,
    Ask,
    Cancel,
    Done,
    Failed,
    Handle,
    Lines,
    Packer,
    Refusal,
    Unpacker,
    Way,
    WireError,
    error_of,
    seconds_to_ns,
    shown,
)

PATIENCE_SECONDS = 3_600
"""Virtual time after which a call that is still unanswered counts as lost, though timers go on for ever."""

STEPS_MAX = 400_000
"""Steps of one run, a guard against fakes and submissions that keep each other busy for ever."""

_FEW_STEPS = 256
"""Fewer than these take long only by their content."""

MUCH_BYTES = 4 * 1024 * 1024
"""Of what the processes of one run say: few runs hear as much."""

ARGUMENTS_MAX = 8
"""Of what the submission asks, so many arguments stand in the transcript: it chooses how many there are."""

RUNS_TRACED = 4
"""Runs of a check whose lines are counted."""


class Refused(Exception):
    """Raised by a fake: the student's call raises `error` there. Any other exception of a fake is our own fault."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Pause:
    """`await pause(seconds)` in a fake: virtual time passes before it goes on."""

    def __init__(self, seconds: float) -> None:
        self.nanoseconds = seconds_to_ns(seconds)

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class RemoteMethod:
    """A method of a class of the grader's that student code can call."""

    def __init__(self, function: Any) -> None:
        self.way: Way = function._kata_remote
        self.is_told: bool = function._kata_told
        """Otherwise it writes its own lines in the transcript."""
        of_class = inspect.signature(function)
        _, *parameters = of_class.parameters.values()
        self._signature = of_class.replace(parameters=parameters)
        simple = all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)
        needed = sum(parameter.default is parameter.empty for parameter in parameters)
        self._counts = range(needed, len(parameters) + 1) if simple else range(0)
        """How many positional arguments are certainly right."""

    def check_arguments(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """TypeError when they don't fit."""
        if kwargs or len(args) not in self._counts:
            self._signature.bind(*args, **kwargs)


@functools.cache
def remote_methods(kind: type[Any]) -> dict[str, RemoteMethod]:
    """Those that are marked `@remote`, by name."""
    attributes = {name: getattr(kind, name) for name in dir(kind)}
    return {name: RemoteMethod(method) for name, method in attributes.items() if hasattr(method, "_kata_remote")}


class Exposure:
    """An object of the grader that student code can call."""

    def __init__(self, number: int, target: object, name: str, owner: Node | None) -> None:
        self.target = target
        self.name = name
        self.owner = owner
        """The only process that may call it; None: every one may."""
        # mypy takes the instances' hash for the class's.
        self.methods = remote_methods(type(target))  # type: ignore[arg-type]
        if not self.methods:
            raise TypeError(f"{type(target).__name__} has no method marked @remote, so a student could not call it")
        self.handle = Handle(number, name, {method: remote.way for method, remote in self.methods.items()})


class Clock:
    """The grader's hand on virtual time. Starts at 0; only this and waiting move it."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> float:
        """Virtual seconds since the run began."""
        return self._world.now_ns / 1_000_000_000

    def advance(self, seconds: float) -> None:
        """Let that much virtual time pass: all that falls due until then happens. 0 runs what is due now."""
        self._world.advance(seconds_to_ns(seconds))

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or, if negative, back; the monotonic one does not move."""
        self._world.wall_offset_ns += round(seconds * 1_000_000_000)
        self._world.note(
            f"the wall clock is set {'forward' if seconds >= 0 else 'back'} by {abs(seconds):g} s", "fault"
        )


class World:
    """One run of a check: its processes, its fakes, its clock, and the transcript of it all."""

    def __init__(
        self,
        spawner: Spawner,
        limits: Limits,
        seed: int,
        submission: dict[str, bytes],
        *,
        shrink: bool = True,
        interface: Mapping[str, Signature] | None = None,
    ) -> None:
        self._spawner = spawner
        self.shrink = shrink
        """Look for the smallest example of a property that fails."""
        self.interface = interface or {}
        """By `Class` and `Class.method`."""
        self._limits = limits
        self._submission = submission
        self._lengths = {name: content.count(b"\n") + 1 for name, content in submission.items()}
        self.seed = seed
        self.random = random.Random(seed)
        self.clock = Clock(self)
        self.now_ns = 0
        self.wall_offset_ns = 0
        self.coverage = False
        self.tally = Tally()
        self._all_executed = False
        self._untraceable = False
        """A process got stuck when it was asked which lines it had run: no other is asked."""
        self._guard = Guard(limits)
        self.runs = 0
        self._output = bytearray()
        self.output_cut = False
        # What the clocks show at first depends on the seed alone: it tells a submission nothing of a check, and a
        # process that was started ahead fits every run.
        bases = random.Random(f"{seed}:clocks")
        self._monotonic_base_ns = bases.randrange(1_000, 100_000) * 1_000_000_000
        self._wall_base_ns = bases.randrange(1_750_000_000, 1_900_000_000) * 1_000_000_000
        self._clear()

    def move(self, spawner: Spawner) -> None:
        """Take student processes from there, and begin a tally of its own: this is a world in another lane now."""
        self._spawner = spawner
        known, self.tally = self.tally, Tally()
        self.tally.statements = known.statements

    # ------------------------------------------------------------ a run's beginning and end

    def begin(self, seed: str, coverage: bool) -> None:
        """Start a check: everything fresh, and a real deadline for all of it."""
        self.end()
        self.random = random.Random(seed)
        self.coverage = coverage
        self._guard.begin_check()
        self.runs = 0
        self._output.clear()
        self.output_cut = False
        self.reset()

    def reset(self) -> None:
        """A new run: every process killed, time at 0, an empty transcript. Faults must have ended."""
        self.end()
        self._clear()
        if self._guard.heard_bytes > MUCH_BYTES:
            gc.collect()  # what the last run held, it held in cycles
        self._guard.begin_run()
        self.runs += 1

    def end(self) -> None:
        """Kill every process; learn which lines each had run."""
        for node in self.nodes:
            if self._is_traced():
                self._part_from(node)
            node.destroy()

    @contextlib.contextmanager
    def short_lived(self) -> Iterator[proxies.Module]:
        """A fresh student process that ends with the block: for checks that need many, one after the other.

        At most some thirty may live at a time, for so many user ids does a run have on each of its lanes.
        """
        node, _ = self.spawn()
        yield proxies.Module(self, node)
        if self._is_traced():
            self._part_from(node)
        node.destroy()

    def _part_from(self, node: Node) -> None:
        try:
            self._collect(node.farewell(not self.tally.statements, self._monotonic_ns(), self._wall_ns()))
        except ProcessFailed:
            self._untraceable = True
        except Inconclusive:
            pass  # the run's time is up, and the next check will be told so

    def _clear(self) -> None:
        self.nodes: list[Node] = []
        self.now_ns = 0
        self.wall_offset_ns = 0
        self.entries: list[Entry] = []
        self.faults = 0
        self.calls: dict[int, proxies.Call] = {}
        self.last: proxies.Call | None = None
        self.joint: tuple[list[Any], list[proxies.Call]] = ([], [])
        self._exposures: dict[int, Exposure] = {}
        self._numbers: dict[int, int] = {}
        self._queue: list[tuple[int, float, int, Callable[[], None]]] = []
        self._bulk = False
        self._serial = 0
        self._steps = 0
        self._answered_step = 0
        """The one in which a call of the grader's was last answered."""
        self._asked: Counter[str] = Counter()
        self._names: Counter[str] = Counter()

    def _is_traced(self, ahead: int = 0) -> bool:
        """Tracing makes a process dearer: not once all lines were run, nor for a property's later examples."""
        if self._all_executed or self._untraceable:
            return False
        return self.coverage and self.runs + ahead <= RUNS_TRACED

    def _collect(self, lines: list[Lines]) -> None:
        for file in lines:
            if file.file not in self._submission:
                continue  # a process may say what it likes
            length = self._lengths[file.file]
            self.tally.executed.setdefault(file.file, set()).update(
                line for line in file.executed if 0 < line <= length
            )
            if file.statements:
                self.tally.statements[file.file] = tuple(line for line in file.statements if 0 < line <= length)
        self._all_executed = self.tally.all_executed()

    # ------------------------------------------------------------ what graders use

    def student(self, name: str = "") -> proxies.Module:
        """A fresh student process with the submission imported: its module. `name` stands in the transcript."""
        node, _ = self.spawn(name)
        return proxies.Module(self, node)

    def expose(self, target: object, name: str, to: proxies.Module | None = None) -> Any:
        """Let student code call the methods of `target` that are marked @remote; `name` stands in the transcript.

        With `to`, only that process may: what is one replica's own, such as its disk, no other can reach.
        """
        number = self._numbers.get(id(target))
        if number is None:
            number = self._numbers[id(target)] = len(self._exposures) + 1
            self._exposures[number] = Exposure(number, target, name, to._kata[1] if to is not None else None)
        return target

    def note(self, text: str, kind: Literal["world", "fault"] = "world", process: str = "") -> Entry:
        """A line in the transcript that is no call: what happens in the world around the submission.

        `process` names the student process that it happens to, when it is one.
        """
        entry = Entry(self.now_ns, text, kind, process)
        self.entries.append(entry)
        return entry

    @contextlib.contextmanager
    def fault(self, begins: str, ends: str) -> Iterator[None]:
        """A fault is on: calls made meanwhile count for availability. The two texts stand in the transcript."""
        entry = self.note(begins, "fault")
        self.faults += 1
        try:
            yield
        finally:
            self.faults -= 1
            entry.until_ns = self.now_ns
            self.note(ends, "fault")

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let `action` happen in that many virtual seconds."""
        self._at(self.now_ns + seconds_to_ns(seconds), action)

    def lines(self) -> tuple[tuple[Line, ...], int]:
        """The transcript of this run, and how many lines were left out of it."""
        return lines_of(self.entries)

    def output(self) -> str:
        """What the check's processes printed, up to the exercise's limit."""
        return self._output.decode("utf-8", "replace")

    # ------------------------------------------------------------ processes

    def spawn(self, name: str = "") -> tuple[Node, list[str]]:
        """A fresh, confined process that has imported the submission, and the public names that this defined.

        StudentError when the import raises, ProcessFailed when it does not end.
        """
        if self._guard.check_is_over(self._cpu_seconds()):
            self._expect_not_starved()
            raise ProcessFailed(
                Failure(
                    kind="time-out",
                    message="This check's processes used up their CPU time.",
                    advice="Look for work that grows much faster than its input.",
                )
            )
        spawned = self._start_process()
        node = Node(self._spawner, spawned, name, self._guard, self._keep_output, self.source_line)
        self.nodes.append(node)
        load = self.calls[0] = proxies.Call(self, node, "importing the submission", None)
        self._hear(node, node.first_turn())
        names = load.result()
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise node.broken("something else than the names that it defines")
        # The next run begins as this one did; who needs another process in mid-run waits for it.
        self._spawner.start_ahead(self._first_wish_of_a_run())
        return node, [name[:NAME_CHARS_MAX] for name in names[:NAMES_MAX]]

    def _start_process(self) -> Spawned:
        try:
            return self._spawner.spawn(self._wish())
        except NoRoom:
            if not any(node.alive for node in self.nodes):
                raise
            raise ProcessFailed(
                Failure(
                    kind="exit",
                    message="The submission's processes used up what all of them share (files, processes or memory), "
                    "so that no other one could start.",
                    advice="Look for files, processes or threads that are made again and again.",
                )
            ) from None

    def kill(self, node: Node) -> None:
        """End a process by force. What was called and not answered never will be, and that is no fault of it."""
        if not node.alive:
            return
        self.entries.append(Entry(self.now_ns, f"{node.name or 'the process'} is killed", "crash", node.name))
        node.killed = True
        node.destroy()
        for call in [call for call in self.calls.values() if call.node is node]:
            del self.calls[call.number]
            call.end_killed()

    def _wish(self) -> Wish:
        return Wish(self._is_traced(), self._monotonic_ns(), self._wall_ns(), self._random_seed(len(self.nodes)))

    def _first_wish_of_a_run(self) -> Wish:
        traced = self._is_traced(ahead=1)
        return Wish(traced, self._monotonic_base_ns, self._wall_base_ns, self._random_seed(0))

    def _random_seed(self, process: int) -> int:
        """Of a run's n-th process: what it draws is the same whenever the run's seed is, and no two draw the same."""
        return random.Random(f"{self.seed}:process {process}").getrandbits(64)

    def source_line(self, file: str, line: int) -> str:
        """That line of the submission, without its indentation; empty when there is none."""
        lines = self._submission.get(file, b"").decode("utf-8", "replace").splitlines()
        return lines[line - 1].strip()[:300] if 0 < line <= len(lines) else ""

    def _keep_output(self, data: bytes) -> None:
        room = self._limits.output_kib * 1024 - len(self._output)
        self._output += data[: max(0, room)]
        self.output_cut = self.output_cut or len(data) > room

    # ------------------------------------------------------------ calls

    def start(self, call: proxies.Call, message: Any) -> None:
        """Have the call begin now; among all that happens now, in an order drawn from the seed."""
        if call.node.killed:
            raise RuntimeError(f"{call.doing()}: the grader has killed that process; `world.student()` starts another")
        if self.faults and call.entry is not None:
            self.tally.operations += 1
            call.under_fault = True
        call.begun_step = self._steps
        self._at(self.now_ns, lambda: self._send(call, message))

    def _send(self, call: proxies.Call, message: Any) -> None:
        if call.node.killed:
            call.end_killed()
            return
        if not call.node.alive:
            raise failed("exit", f"{call.doing()}: the submission's process is gone.", advice="Look at what ended it.")
        self.calls[call.number] = call
        call.node.mail.append(message)
        if call.cancelled:
            call.node.mail.append(Cancel(call.number))

    def cancel(self, call: proxies.Call) -> None:
        """Have the call's task cancelled; a call that has not begun yet is cancelled as it begins."""
        self.note(f"{call.doing()} is cancelled")
        call.cancelled = True
        if call.number in self.calls:
            call.node.mail.append(Cancel(call.number))

    def _ended(self, call: proxies.Call) -> None:
        call.answered_ns = self.now_ns
        call.ended_step = self._answered_step = self._steps
        if call.entry is None:
            return
        call.entry.until_ns = self.now_ns
        self.tally.answers += 1
        if call.under_fault and call.error is None:
            self.tally.answered += 1
        self.last = call
        call.entry.result = call.outcome_text()
        notes = (
            [f"{count} {what}{'' if count == 1 or what.endswith('s') else 's'}" for what, count in self._asked.items()]
            if call.alone
            else []
        )
        if call.answered_ns > call.entry.at_ns:
            notes.append(f"after {(call.answered_ns - call.entry.at_ns) / 1e9:g} s")
        call.entry.note = ", ".join(notes)

    @property
    def spent_seconds(self) -> float:
        """CPU time of this check's processes, once it has ended."""
        return self._guard.spent

    @property
    def cost_seconds(self) -> float:
        """Real time that this check has taken on account of its processes, once it has ended."""
        return self._guard.cost

    def lose_patience(self) -> None:
        """A process was stuck: give later ones less time."""
        self._guard.lose_patience()

    def remember(self, results: list[Any], calls: list[proxies.Call]) -> None:
        """These calls gave these results: an assertion about the list is one about its calls."""
        self.joint = (results, calls)

    def call_that_gave(self, value: object) -> proxies.Call | None:
        """The last call, if `value` is what it answered."""
        return self.last if self.last is not None and self.last.value is value and self.last.error is None else None

    def begin_counting(self) -> None:
        """What the submission asks from here on is told beside the call that caused it."""
        self._asked.clear()

    # ------------------------------------------------------------ the loop

    def run(self, done: Callable[[], bool], until_ns: int | None = None) -> None:
        """Let things happen until `done()`, or until nothing more would happen by `until_ns`."""
        self._flush()
        while not done():
            moment = self._next_moment()
            if moment is None or (until_ns is not None and moment > until_ns):
                return
            self._count_step()
            self.now_ns = max(self.now_ns, moment)
            self._happen()
            self._flush()

    def _count_step(self) -> None:
        """A guard against what is never short of work: no single turn of it is too long."""
        self._steps += 1
        over = self._guard.serving_is_over()
        unanswered = self._steps - self._answered_step
        if not over and self._steps % 256 and unanswered <= STEPS_MAX:
            return
        if self._steps % 256 == 0 and self._guard.run_is_over():
            raise Inconclusive("the run's time was up")
        if over and self._steps < _FEW_STEPS:
            raise ProcessFailed(
                Failure(
                    kind="time-out",
                    message="To read all that the submission sends used up this check's time.",
                    advice="Look for answers with far more in them than was asked for.",
                )
            )
        if unanswered > STEPS_MAX:
            raise ProcessFailed(
                Failure(
                    kind="time-out",
                    message=f"After {unanswered:,} steps (questions, answers, timers) the submission is still busy, "
                    "and has not answered.",
                    advice="Look for a loop that asks or sleeps again and again without ever getting further.",
                )
            )
        if over or (self._steps % 256 == 0 and self._guard.check_is_over(self._cpu_seconds())):
            self._expect_not_starved()
            raise ProcessFailed(
                Failure(
                    kind="time-out",
                    message=f"After {self._steps:,} steps (questions, answers, timers) the submission is still busy, "
                    "and has used up this check's time.",
                    advice="Look for a loop that asks or sleeps again and again, and for many small questions that "
                    "could be one.",
                )
            )

    def _expect_not_starved(self) -> None:
        """Inconclusive when the check's time is up by the wall clock alone: that says nothing of the submission."""
        used = [node.all_cpu_seconds_or_none() for node in self.nodes if node.alive]
        if None not in used and self._guard.check_is_starved(sum(seconds or 0.0 for seconds in used)):
            raise Inconclusive(STARVED)

    def _cpu_seconds(self) -> float:
        return sum(node.cpu_seconds_or_none() or 0.0 for node in self.nodes if node.alive)

    def wait_for(self, calls: list[proxies.Call]) -> None:
        """Until all of them are answered; a CheckFailed that names one that never will be."""
        until = self.now_ns + PATIENCE_SECONDS * 1_000_000_000
        self.run(lambda: all(call.done for call in calls), until)
        for call in calls:
            if not call.done:
                raise self._lost(call, until)

    def advance(self, nanoseconds: int) -> None:
        """Let that much time pass. ValueError when it is negative."""
        if nanoseconds < 0:
            raise ValueError("virtual time can't go back; `clock.step_wall` sets the wall clock")
        target = self.now_ns + nanoseconds
        self.run(lambda: False, target)
        self.now_ns = target
        self._flush()

    def _flush(self) -> None:
        """Every process that can run has its turn, until none can."""
        while True:
            now = self._monotonic_ns()
            ready = [node for node in self.nodes if node.alive and node.has_turn(now)]
            if not ready:
                return
            self._turn(ready[0] if len(ready) == 1 else self.random.choice(ready))

    def _turn(self, node: Node) -> None:
        try:
            self._count_step()
            self._hear(node, node.take_turn(self._monotonic_ns(), self._wall_ns()))
        except ProcessFailed:
            for call in self.calls.values():
                if call.node is node and call.entry is not None:
                    call.entry.result, call.entry.expected = "no answer", "an answer"
            raise

    def _hear(self, node: Node, said: list[Any]) -> None:
        for message in said:
            if node.killed:
                return
            match message:
                case Done() | Failed():
                    call = self.calls.get(message.id)
                    if call is not None and call.node is node:
                        del self.calls[message.id]
                        self._answer(call, message)
                case Ask():
                    self._count_step()
                    self._serve(node, message)
                case _:
                    pass

    def _answer(self, call: proxies.Call, message: Done | Failed) -> None:
        if isinstance(message, Failed) and message.protocol and not isinstance(call, proxies.Delivery):
            raise failed(
                "protocol",
                f"{call.doing()}: its answer can't cross: {message.error.message}.",
                advice="Return plain data.",
            )
        try:
            call.finish(message)
        except WireError as error:
            raise failed("protocol", f"{call.doing()}: its answer is {error}.", advice="Return plain data.") from None
        self._ended(call)

    def _next_timer(self) -> int | None:
        dues = [due for node in self.nodes if node.alive and (due := node.due_ns) is not None]
        return min(dues) - self._monotonic_base_ns if dues else None

    def _next_moment(self) -> int | None:
        timer = self._next_timer()
        event = self._queue[0][0] if self._queue else None
        return min((moment for moment in (timer, event) if moment is not None), default=None)

    def _happen(self) -> None:
        """The earliest event of the queue, if it is due. A timer needs nothing but the time: `_flush` sees to it."""
        if not self._queue or self._queue[0][0] > self.now_ns:
            return
        timer = self._next_timer()
        if timer is not None and timer <= self.now_ns and self.random.random() < 0.5:
            return
        heapq.heappop(self._queue)[3]()
        while self._bulk and self._queue and self._queue[0][0] <= self.now_ns:
            heapq.heappop(self._queue)[3]()

    @contextlib.contextmanager
    def in_bulk(self) -> Iterator[None]:
        """Meanwhile what is due at one moment happens together: fewer interleavings, many times faster."""
        self._bulk = True
        try:
            yield
        finally:
            self._bulk = False

    def _at(self, moment_ns: int, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._queue, (moment_ns, self.random.random(), self._serial, action))

    def _monotonic_ns(self) -> int:
        return self._monotonic_base_ns + self.now_ns

    def _wall_ns(self) -> int:
        return self._wall_base_ns + self.now_ns + self.wall_offset_ns

    def _lost(self, call: proxies.Call, until: int) -> CheckFailed:
        if call.entry is not None:
            call.entry.result = "never answered"
            call.entry.expected = "an answer"
        if self._next_moment() is None:
            why = "Everything waits, no timer is set, and nothing it asked for is outstanding"
            advice = (
                "Look for a lock, an event or a future that is never released or set on some path (an error, a cancel)."
            )
        else:
            why = (
                f"{PATIENCE_SECONDS / 3600:g} h of virtual time later timers still go on, but it has not been answered"
            )
            advice = "Look for a wait that some path never ends."
        return failed(
            "deadlock", f"{call.doing()} is never answered. {why}.", expected="an answer", got="none", advice=advice
        )

    # ------------------------------------------------------------ what students ask

    def _serve(self, node: Node, ask: Ask) -> None:
        exposure = self._exposures.get(ask.target)
        remote = exposure.methods.get(ask.method) if exposure is not None else None
        if exposure is None or remote is None or exposure.owner not in (None, node):
            raise ProcessFailed(
                failed(
                    "protocol", "The submission called something that does not exist.", advice="Use the interface."
                ).failure
            )
        unpacker = Unpacker(lambda handle: self.resolve(node, handle))
        method = getattr(exposure.target, ask.method)
        try:
            args = [unpacker.unpack(arg) for arg in ask.args]
            kwargs = {name: unpacker.unpack(value) for name, value in ask.kwargs.items()}
        except WireError as error:
            self._reply(node, Refusal(ask.id, error_of(TypeError(f"{exposure.name}.{ask.method} was given {error}"))))
            return
        self._asked[ask.method] += 1
        entry = Entry(self.now_ns, "", "student", node.name)
        if remote.is_told:
            entry.text = f"{exposure.name}.{ask.method}({_arguments(args, kwargs)})"
            if not any(call.alone for call in self.calls.values()):
                self.entries.append(entry)
        if remote.way == "post":
            self._take_post(exposure, node, ask, args, kwargs)
            return
        try:
            remote.check_arguments(args, kwargs)
        except TypeError as error:
            self._refuse(node, ask, entry, TypeError(f"{exposure.name}.{ask.method}: {error}"))
            return
        try:
            result = method(*args, **kwargs)
        except Refused as refused:
            self._refuse(node, ask, entry, refused.error)
            return
        if inspect.iscoroutine(result):
            self._step(node, ask, entry, result)
        else:
            self._give(node, ask, entry, result)

    def _take_post(self, exposure: Exposure, node: Node, ask: Ask, args: list[Any], kwargs: dict[str, Any]) -> None:
        """A call without an answer. Who is told nothing can't be told of a mistake: it ends the check."""
        try:
            exposure.methods[ask.method].check_arguments(args, kwargs)
        except TypeError as error:
            refusal: Exception | None = error
        else:
            refusal = None
            try:
                getattr(exposure.target, ask.method)(*args, **kwargs)
            except Refused as refused:
                refusal = refused.error
        if refusal is not None:
            call = f"{exposure.name}.{ask.method}({_arguments(args, kwargs)})"
            raise failed(
                "protocol",
                f"{node.name} called {call}, which is refused: {refusal}.",
                expected="a call that the statement allows",
                got=call,
                advice="Compare the arguments with what the statement says of this method.",
            )

    def _step(self, node: Node, ask: Ask, entry: Entry, coroutine: Coroutine[Pause, None, object]) -> None:
        """Run a fake's method on until it pauses or ends.

        What it does last and the reply to it are one event: replies arrive in the order of their effects.
        """
        try:
            pause = coroutine.send(None)
        except StopIteration as end:
            self._give(node, ask, entry, end.value)
        except Refused as refused:
            self._refuse(node, ask, entry, refused.error)
        else:
            self._at(self.now_ns + pause.nanoseconds, lambda: self._step(node, ask, entry, coroutine))

    def _give(self, node: Node, ask: Ask, entry: Entry, result: object) -> None:
        entry.result = shown(result)
        self._close(entry)
        self._reply(node, Answer(ask.id, self.pack(result)))

    def _refuse(self, node: Node, ask: Ask, entry: Entry, error: Exception) -> None:
        entry.result = f"raises {type(error).__name__}"
        self._close(entry)
        self._reply(node, Refusal(ask.id, error_of(error)))

    def _close(self, entry: Entry) -> None:
        if self.now_ns > entry.at_ns:
            entry.note = f"after {(self.now_ns - entry.at_ns) / 1e9:g} s"

    def _reply(self, node: Node, message: Answer | Refusal) -> None:
        node.mail.append(message)

    # ------------------------------------------------------------ values

    def pack(self, value: object, node: Node | None = None) -> Any:
        """As a wire value, for that process. CheckFailed for an object of another one, which can't go there."""
        return Packer(lambda each: self._handle(each, node)).pack(value)

    def _handle(self, value: object, node: Node | None) -> Handle | None:
        if isinstance(value, proxies.Object):
            if node is not None and value._kata[1] is not node:
                giver, taker = value._kata[1].name or "one process", node.name or "another one"
                raise failed(
                    "wrong-answer",
                    f"What {giver} gave can't go to {taker}: {value!r}.",
                    expected="plain data: numbers, text, bytes, lists, dicts, dataclasses and the like",
                    got="an object that lives in its own process",
                    advice="Give what can be sent to another machine, in the place of the object.",
                )
            return Handle(proxies.target_of(value), "", {}, home=True)
        number = self._numbers.get(id(value))
        return self._exposures[number].handle if number is not None else None

    def resolve(self, node: Node, handle: Handle) -> object:
        """The proxy for an object of a student process, or the fake that came back."""
        if handle.home:
            if handle.id not in self._exposures:
                raise WireError("a handle to something that does not exist")
            return self._exposures[handle.id].target
        return proxies.Object(self, node, handle.id, self.fresh_name(handle.type), handle.type)

    def fresh_name(self, type_name: str) -> str:
        """A display name for an object: its type's in snake case, numbered from the second on."""
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in type_name).strip("_") or "object"
        self._names[words] += 1
        return words if self._names[words] == 1 else f"{words}_{self._names[words]}"

    def name_of(self, target: object) -> str | None:
        """The display name of an exposed fake."""
        number = self._numbers.get(id(target))
        return self._exposures[number].name if number is not None else None


def _arguments(args: list[Any], kwargs: dict[str, Any]) -> str:
    some = [shown(arg) for arg in args[:ARGUMENTS_MAX]]
    some += [f"{name[:40]}={shown(value)}" for name, value in list(kwargs.items())[:ARGUMENTS_MAX]]
    return ", ".join(some if len(some) == len(args) + len(kwargs) else [*some, "…"])
