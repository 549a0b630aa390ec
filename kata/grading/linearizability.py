"""Whether a history of puts and gets could come from one register that does one thing at a time.

The search is Wing and Gong's (*Testing and Verifying Concurrent Objects*, JPDC 1993), with Lowe's memory of
configurations that have failed (*Testing for Linearizability*, CCPE 2017). Linearizability is local (Herlihy and Wing,
TOPLAS 1990, theorem 1), so that each key is searched by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from kata.supervisor.failures import Inconclusive, failed
from kata.supervisor.proxies import Call, Object
from kata.wire import shown

STEPS_MAX = 200_000
"""Configurations that the search for one key looks at before it gives up."""


@dataclass(frozen=True, eq=False)
class Operation:
    """A put or a get of one key, from its beginning to its end, on any one scale of numbers.

    One that ended where another began came before it. `ended` is None where the outcome is unknown (a time-out, a
    crash): such a put may take effect at any moment after its beginning, or never; such a get says nothing.
    """

    kind: Literal["put", "get"]
    key: str
    value: Hashable
    """What was put, or what the get answered; None is what a register holds at first."""
    begun: float
    ended: float | None
    call: Call | None = None
    """The call behind it, when there is one."""


@dataclass(frozen=True)
class Violation:
    """A get that no order of the operations explains."""

    get: Operation
    possible: tuple[Hashable, ...]
    """What it could have answered, all that ended before it being as it was."""
    witnesses: tuple[Operation, ...]
    """Few operations, in order of their beginnings, that already contradict it together with the get."""


def violation(history: Iterable[Operation], steps_max: int = STEPS_MAX) -> Violation | None:
    """The first get (in order of ends) that no order explains, or None: the history is linearizable.

    Inconclusive, never None, when a key's search is not over after `steps_max` configurations.
    """
    keys: dict[str, list[Operation]] = {}
    for operation in history:
        keys.setdefault(operation.key, []).append(operation)
    found = [_violation_of(operations, steps_max) for operations in keys.values()]
    return min((each for each in found if each is not None), key=lambda each: each.get.ended or 0.0, default=None)


def _violation_of(operations: Sequence[Operation], steps_max: int) -> Violation | None:
    if is_linearizable(operations, steps_max):
        return None
    gets = sorted((o for o in operations if o.kind == "get" and o.ended is not None), key=lambda o: o.ended or 0.0)
    low, high = 1, len(gets)
    while low < high:  # what is not linearizable stays so, whatever happens afterwards
        middle = (low + high) // 2
        if is_linearizable(_known(operations, gets[:middle]), steps_max):
            low = middle + 1
        else:
            high = middle
    culprit = gets[low - 1]
    rest = [o for o in _known(operations, gets[:low]) if o is not culprit]
    values = dict.fromkeys([None, *(o.value for o in rest if o.kind == "put")])
    possible = tuple(v for v in values if is_linearizable([*rest, replace(culprit, value=v)], steps_max))
    return Violation(culprit, possible, _fewest(rest, culprit, steps_max))


def _known(operations: Sequence[Operation], gets: Sequence[Operation]) -> list[Operation]:
    """What was known when the last of these gets had ended: those gets, and the puts that had begun by then."""
    moment = gets[-1].ended or 0.0
    puts = [o for o in operations if o.kind == "put" and o.begun < moment]
    return [*gets, *(o if o.ended is not None and o.ended <= moment else replace(o, ended=None) for o in puts)]


def _fewest(rest: list[Operation], culprit: Operation, steps_max: int) -> tuple[Operation, ...]:
    """Leave out one operation after another, as long as what is left still contradicts the culprit."""
    kept = list(rest)
    for operation in sorted(rest, key=lambda o: (o.kind == "put", -o.begun)):
        fewer = [o for o in kept if o is not operation]
        read = {o.value for o in [*fewer, culprit] if o.kind == "get"}
        if operation.kind == "put" and operation.value in read:
            continue  # a get of what nobody has put would be another story
        if not is_linearizable([*fewer, culprit], steps_max):
            kept = fewer
    return tuple(sorted(kept, key=lambda o: o.begun))


# ---------------------------------------------------------------- the search


class _Event:
    """The beginning or the end of an operation, in a doubly linked list by time."""

    __slots__ = ("after", "before", "bit", "end", "operation")

    def __init__(self, operation: Operation, bit: int, end: _Event | None, begins: bool) -> None:
        self.operation = operation
        self.bit = bit if begins else 0
        """Of a beginning, which operation it is, in a set of them; 0 of an end."""
        self.end = end
        self.before: _Event | None = None
        self.after: _Event | None = None

    def leave(self) -> None:
        """Take it out of the list; it remembers where it stood."""
        if self.before is not None:
            self.before.after = self.after
        if self.after is not None:
            self.after.before = self.before

    def come_back(self) -> None:
        """Put it where it stood. The last that left must be the first that comes back."""
        if self.before is not None:
            self.before.after = self
        if self.after is not None:
            self.after.before = self


def is_linearizable(operations: Iterable[Operation], steps_max: int = STEPS_MAX) -> bool:
    """Whether operations of one key are linearizable. Inconclusive after `steps_max` configurations."""
    operations = list(operations)
    read = {o.value for o in operations if o.kind == "get" and o.ended is not None}
    # A put that never ended, and whose value nobody has read, may as well have had no effect: it explains nothing.
    told = [o for o in operations if o.ended is not None or (o.kind == "put" and o.value in read)]
    head = _linked(told)
    unended = sum(o.ended is not None for o in told)
    done, state = 0, None  # which operations have taken effect, and what the register holds
    path: list[tuple[_Event, Hashable]] = []
    seen: set[tuple[int, Hashable]] = set()
    event, steps = head.after, 0
    while unended:
        steps += 1
        if steps > steps_max:
            raise Inconclusive(f"a history of overlapping operations takes more than {steps_max:,} steps to judge")
        assert event is not None  # an end stands before the end of the list
        if not event.bit:
            # It has to have taken effect by now, and can't: what was chosen before it is to blame.
            if not path:
                return False
            event, state = path.pop()
            done &= ~event.bit
            unended += event.end is not None
            _put_back(event)
            event = event.after
            continue
        then = _applied(event.operation, state)
        if then is _IMPOSSIBLE or (done | event.bit, then) in seen:
            event = event.after
            continue
        seen.add((done | event.bit, then))
        path.append((event, state))
        done, state = done | event.bit, then
        unended -= event.end is not None
        _take_out(event)
        event = head.after
    return True


_IMPOSSIBLE = object()


def _applied(operation: Operation, state: Hashable) -> Hashable:
    """What the register holds when the operation has taken effect; _IMPOSSIBLE for a get of something else."""
    if operation.kind == "put":
        return operation.value
    return state if operation.value == state else _IMPOSSIBLE


def _take_out(event: _Event) -> None:
    event.leave()
    if event.end is not None:
        event.end.leave()


def _put_back(event: _Event) -> None:
    if event.end is not None:
        event.end.come_back()
    event.come_back()


def _linked(operations: Sequence[Operation]) -> _Event:
    """The head of the list of all beginnings and ends; at one moment the ends come first."""
    events: list[tuple[float, bool, int, _Event]] = []
    for index, operation in enumerate(operations):
        end = None
        if operation.ended is not None:
            if operation.ended <= operation.begun:
                raise ValueError(f"an operation must end after it began: {operation}")
            end = _Event(operation, 0, None, begins=False)
            events.append((operation.ended, False, index, end))
        events.append((operation.begun, True, index, _Event(operation, 1 << index, end, begins=True)))
    head = last = _Event(Operation("get", "", None, 0.0, None), 0, None, begins=False)
    for *_, event in sorted(events, key=lambda each: each[:3]):
        last.after, event.before = event, last
        last = event
    return head


# ---------------------------------------------------------------- calls of a submission


class History:
    """Calls of `put` and `get` at any of several replicas, each begun here, judged together.

    `read` turns what a get answered into the value of the register, None where it has none; an error of a type in
    `unknown` leaves open what a put did. Values that are put must differ from each other.
    """

    def __init__(self, read: Callable[[Any], Hashable] = lambda answer: answer, unknown: Sequence[str] = ()) -> None:
        self._read = read
        self._unknown = (*unknown, "ProcessKilled")
        self._begun: list[tuple[Literal["put", "get"], str, Hashable, Call]] = []

    def put(self, replica: Object, key: str, value: Hashable) -> Call:
        """Begin `replica.put(key, value)`; the call."""
        call = replica.put.start(key, value)
        self._begun.append(("put", key, value, call))
        return call

    def get(self, replica: Object, key: str) -> Call:
        """Begin `replica.get(key)`; the call."""
        call = replica.get.start(key)
        self._begun.append(("get", key, None, call))
        return call

    @property
    def calls(self) -> list[Call]:
        """All calls, in the order of their beginnings."""
        return [call for *_, call in self._begun]

    def operations(self) -> list[Operation]:
        """What is known of the calls by now. A StudentError for one that failed otherwise than with `unknown`."""
        return [self._operation(kind, key, value, call) for kind, key, value, call in self._begun]

    def expect_linearizable(self) -> None:
        """See that one register that does one thing at a time could have answered so; else the check has failed."""
        found = violation(self.operations())
        if found is None:
            return
        get, possible = found.get, " or ".join(map(shown, found.possible))
        if get.call is not None and get.call.entry is not None:
            get.call.entry.expected = possible
        doing = get.call.doing() if get.call is not None else f"get({get.key!r})"
        told = "; ".join(_told(operation, get) for operation in found.witnesses) or "Nobody had put that"
        raise failed(
            "wrong-answer",
            f"{doing} gave {shown(get.value)}, and no order of the calls explains that. {told}.",
            expected=possible,
            got=shown(get.value),
            advice="Ask which replicas knew of the newer value when this one answered, and why it did not ask them.",
        )

    def _operation(self, kind: Literal["put", "get"], key: str, value: Hashable, call: Call) -> Operation:
        if call.error is not None and not set(call.error.types) & set(self._unknown):
            raise call.error
        over = call.done and call.error is None
        if over and kind == "get":
            value = self._read(call.value)
        return Operation(kind, key, value, call.begun_step, call.ended_step if over else None, call)


def _told(operation: Operation, get: Operation) -> str:
    """One line of the evidence: what the operation did, and how it lies to the get in time."""
    doing = operation.call.doing() if operation.call is not None else f"{operation.kind}({operation.key!r})"
    what = f"{doing} gave {shown(operation.value)}" if operation.kind == "get" else doing
    if operation.ended is None:
        return f"{what} may have taken effect at any time, or never"
    return f"{what}, before it" if operation.ended <= get.begun else f"{what}, at the same time"
