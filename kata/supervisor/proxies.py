"""How graders hold what lives in a student process: modules, objects, methods, and calls that have begun.

`cache.get("ada")` is a plain call; `cache.get.start("ada")` begins one and goes on. Every name on an object or a
module is the student's, so what the toolkit itself offers stands beside the proxies: `together`, `settle`, `named`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kata import wire
from kata.supervisor.failures import CheckFailed, StudentError, failed
from kata.supervisor.interface import Signature
from kata.supervisor.transcript import Entry

if TYPE_CHECKING:
    from kata.supervisor.node import Node
    from kata.supervisor.world import World


class Call:
    """A call that has begun. `done` tells whether it has ended, `error` how it failed, `answered_at` when."""

    _count = 0
    latest: ClassVar[Call | None] = None
    """The last one whose answer was waited for."""

    def __init__(self, world: World, node: Node, text: str, entry: Entry | None, *, alone: bool = False) -> None:
        Call._count += 1
        self.number = Call._count
        self.node = node
        self.entry = entry
        self.alone = alone
        """The grader waits for it and nothing else: what the submission asks meanwhile is told beside it."""
        self.under_fault = False
        self.cancelled = False
        self.killed = False
        """Its process was killed before it had answered."""
        self.done = False
        self.error: StudentError | None = None
        self.value: Any = None
        self.begun_ns = world.now_ns
        self.answered_ns = 0
        self.begun_step = self.ended_step = 0
        """Of the run's steps: what ended in a step ended before anything that began in it."""
        self._world = world
        self._text = text

    def result(self) -> Any:
        """Let time pass until it has ended; its answer, or StudentError raised."""
        self._world.wait_for([self])
        Call.latest = self
        if self.error is not None:
            raise self.error
        return self.value

    def cancel(self) -> None:
        """Cancel its task in the student process, as a caller does that goes away."""
        if not self.done:
            self._world.cancel(self)

    @property
    def answered_at(self) -> float:
        """Virtual seconds from the run's beginning to the answer. AttributeError while there is none."""
        if not self.done:
            raise AttributeError(f"{self._text} has not been answered yet")
        return self.answered_ns / 1_000_000_000

    @property
    def seconds(self) -> float:
        """Virtual seconds that it took. AttributeError while there is no answer."""
        return round(self.answered_at - self.begun_ns / 1_000_000_000, 9)

    def doing(self) -> str:
        return self._text

    def outcome_text(self) -> str:
        if self.error is not None:
            return f"raised {self.error.type}: {wire.shown(self.error.message)[1:-1]}".rstrip(": ")
        return wire.shown(self.value)

    def finish(self, message: wire.Done | wire.Failed) -> None:
        """Take in what the student process answered."""
        if isinstance(message, wire.Failed):
            self.error = StudentError(message.error, self._text, self.entry)
        else:
            self.value = wire.Unpacker(lambda handle: self._world.resolve(self.node, handle)).unpack(message.value)
        self.done = True

    def end_killed(self) -> None:
        """Its process is gone: whoever waits gets a StudentError of the type ProcessKilled."""
        self.killed = self.done = True
        self.error = StudentError(wire.error_of(ProcessKilled("its process was killed")), self._text, self.entry)
        if self.entry is not None:
            self.entry.result = "no answer: its process was killed"
            self.entry.until_ns = self._world.now_ns

    def __repr__(self) -> str:
        return self._text


class Delivery(Call):
    """A call that nobody waits for: a message arrives. What it returns is dropped; an exception fails the check."""

    def __init__(self, world: World, node: Node, text: str, line: Entry) -> None:
        super().__init__(world, node, text, None)
        self._line = line

    def finish(self, message: wire.Done | wire.Failed) -> None:
        self.done = True
        if isinstance(message, wire.Failed) and not message.protocol:
            self.error = StudentError(message.error, self._text, self._line)
            self._line.result = self.outcome_text()
            raise CheckFailed(self.error.failure())


class ProcessKilled(Exception):
    """By that name `raises` and `Call.error` tell of a call whose process the grader killed."""


class Module:
    """The submission's module in one student process: `student.CacheAside(...)` constructs there."""

    def __init__(self, world: World, node: Node) -> None:
        self._kata = (world, node)

    def __getattr__(self, name: str) -> Method:
        world, node = self._kata
        return Method(world, node, 0, node.name, name, world.interface.get(name, Signature()))

    @contextlib.contextmanager
    def cpu(self) -> Iterator[Usage]:
        """What is done inside costs `.seconds` of the process's CPU time, read from outside it.

        From the first time on the process stays on one core, the same for all that a check measures: another one may
        be half as fast, when something else runs beside it.
        """
        _, node = self._kata
        node.stay()
        usage, begun = Usage(), node.cpu_seconds()
        yield usage
        usage.seconds = node.cpu_seconds() - begun

    def memory(self) -> int:
        """Bytes of memory that the process and what it has started hold, read from outside them.

        An allocator keeps some of what was freed: compare what was held before and after a lot of work, and leave a
        margin of a few hundred KiB.
        """
        _, node = self._kata
        return node.memory_bytes()

    def kill(self) -> None:
        """`kill -9` of the process and all that it started. What it had in memory is gone.

        A fake's method may do it too, in the middle of what the process asked for. Calls that it had not answered end,
        and are `killed`. The same submission starts again with `world.student()`.
        """
        world, node = self._kata
        world.kill(node)


class Usage:
    """CPU seconds, known when the block has ended."""

    seconds = 0.0


class Object:
    """An object in a student process. Every attribute is a method of it."""

    def __init__(self, world: World, node: Node, number: int, name: str, kind: str) -> None:
        self._kata = (world, node, number)
        self._kata_name = name
        self._kata_type = kind

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_"):
            raise AttributeError(name)
        world, node, number = self._kata
        signature = world.interface.get(f"{self._kata_type}.{name}", Signature())
        return Method(world, node, number, self._kata_name, name, signature)

    def __repr__(self) -> str:
        return self._kata_name


class Method:
    """A method of an object of a student process, or a name of its module."""

    def __init__(self, world: World, node: Node, target: int, owner: str, name: str, signature: Signature) -> None:
        self._kata = (world, node, target)
        self._owner = owner
        self._name = name
        self._signature = signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, let time pass until it has answered, and return its answer. StudentError when it raises."""
        call = self._begin(args, kwargs, alone=True)
        result = call.result()
        if isinstance(result, Object) and call.entry is not None and self._kata[2] == 0:
            text = call.doing()
            call.entry.text = lambda: f"{result} = {text}"
            call.entry.result = ""
        return result

    def start(self, *args: Any, **kwargs: Any) -> Call:
        """Begin the call and go on. It runs when something waits for it, or when the clock is advanced."""
        return self._begin(args, kwargs, alone=False)

    def each(self, items: Iterable[Any], *, at_once: bool = False) -> list[Any]:
        """Call it once for each item, one after another or (`async def` only) all at once: cheap calls in bulk.

        An item that is a tuple holds the arguments of its call. Returns the answers in order; StudentError at the first
        that raises.
        All calls are a single message, and what is due at one moment arrives together, in an order drawn from the seed.
        """
        world, node, target = self._kata
        tuples = [item if isinstance(item, tuple) else (item,) for item in items]
        entry = Entry(world.now_ns, f"{self._label()} × {len(tuples)}", "call", node.name)
        world.entries.append(entry)
        how: Literal["in a row", "at once"] = "at once" if at_once else "in a row"
        call = Call(world, node, f"{self._label()} {how}", entry, alone=True)
        world.begin_counting()
        packed = [world.pack(args, node) for args in tuples]
        world.start(call, wire.Call(call.number, target, self._name, packed, {}, how, self._signature.awaited))
        with world.in_bulk():
            result = call.result()
        if not isinstance(result, list) or len(result) != len(tuples):
            raise failed(
                "protocol",
                f"{call.doing()}: its answer is not a list of {len(tuples):,} answers.",
                advice="Answers are plain data of reasonable size; only the interface's methods are needed.",
            )
        return result

    def deliver(self, line: Entry, *args: Any) -> None:
        """Begin a call that nobody waits for: the message of that line of the transcript arrives.

        What it returns is dropped; an exception fails the check.
        """
        world, node, target = self._kata
        call = Delivery(world, node, f"{self._label()}({', '.join(_shown(world, arg) for arg in args)})", line)
        world.start(call, wire.Call(call.number, target, self._name, [world.pack(arg, node) for arg in args], {}))

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, alone: bool) -> Call:
        world, node, target = self._kata
        shown = [_shown(world, arg) for arg in args] + [f"{name}={_shown(world, arg)}" for name, arg in kwargs.items()]
        text = f"{self._label()}({', '.join(shown)})"
        entry = Entry(world.now_ns, text, "call", node.name)
        world.entries.append(entry)
        call = Call(world, node, text, entry, alone=alone)
        if alone:
            world.begin_counting()
        packed = [world.pack(arg, node) for arg in args]
        named = {name: world.pack(arg, node) for name, arg in kwargs.items()}
        world.start(call, wire.Call(call.number, target, self._name, packed, named, "", *self._signature))
        return call

    def _label(self) -> str:
        return f"{self._owner}.{self._name}" if self._owner and self._kata[2] else self._name


def target_of(proxy: Object) -> int:
    """The number by which its process knows the object."""
    return proxy._kata[2]


def named(name: str, proxy: Object) -> Object:
    """Show the object under that name in the transcript, and return it."""
    proxy._kata_name = name
    return proxy


def settle(calls: Iterable[Call]) -> list[Call]:
    """Let time pass until all of the calls have ended, well or not; the calls."""
    begun = list(calls)
    if begun:
        begun[0]._world.wait_for(begun)
    return begun


def together(calls: Iterable[Call], read: Callable[[Any], Any] | None = None) -> list[Any]:
    """Let time pass until all of the calls have ended; their answers in order. The first error among them is raised.

    `read` turns each answer into what matters of it. An assertion about the list is one about its calls.
    """
    ended = settle(calls)
    for call in ended:
        if call.error is not None:
            raise call.error
    results = [call.value if read is None else read(call.value) for call in ended]
    if ended:
        ended[0]._world.remember(results, ended)
    return results


class Raised:
    """What a `raises` block caught."""

    error: StudentError


@contextlib.contextmanager
def raises(*types: str) -> Iterator[Raised]:
    """The block's call must raise an exception that has one of these names, or a base class that has."""
    raised = Raised()
    wanted = " or ".join(types)
    Call.latest = None
    try:
        yield raised
    except StudentError as error:
        raised.error = error
        if not set(types) & set(error.types):
            error.blame(f"{wanted} raised")
            raise failed(
                "exception",
                f"{error.doing} raised {error.type} where a correct system raises {wanted}.",
                expected=f"{wanted} raised",
                got=f"{error.type}: {error.message}",
                places=error.places,
                advice="Let the error that was met go on to the caller, or translate it as the statement says.",
            ) from None
    else:
        call = Call.latest
        if call is not None and call.entry is not None:
            call.entry.expected = f"{wanted} raised"
        what = f"{call.doing()} answered {wire.shown(call.value)}" if call else "No error was raised"
        raise failed(
            "no-exception",
            f"{what} where a correct system raises {wanted}.",
            expected=f"{wanted} raised",
            got=wire.shown(call.value) if call else "no error",
            advice="An error that is swallowed looks like an answer to the caller.",
        )


def _shown(world: World, value: object) -> str:
    return world.name_of(value) or wire.shown(value)
