"""Whether committed transactions could have run one after another, and if not, which of them stand in a circle.

The verdict is a search for the order: exact, whatever the database does inside. The explanation is the cycle of
dependencies that Adya, Liskov and O'Neil define (*Generalized Isolation Level Definitions*, ICDE 2000): one
transaction read what another wrote, overwrote it, or read what another overwrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kata.supervisor.failures import CheckFailed, Inconclusive, failed
from kata.supervisor.proxies import Object, settle
from kata.wire import shown

STEPS_MAX = 200_000
"""Placements of a transaction that the search tries before it gives up."""

State = Mapping[str, Any]
"""The keys that are there, with their values."""


@dataclass(frozen=True)
class Read:
    """What was read: a key (`end` is None and `is_range` False), or a range; and what it gave."""

    start: str
    end: str | None
    is_range: bool
    answer: Any

    def is_true_of(self, state: State, own: Mapping[str, Any]) -> bool:
        """Whether it would be answered so by a transaction that has written `own` (None: deleted) so far."""
        if not self.is_range:
            held = own[self.start] if self.start in own else state.get(self.start)
            return bool(held == self.answer)
        merged = {**state, **own}
        seen = [(k, v) for k, v in sorted(merged.items()) if v is not None and self.covers(k)]
        return bool(seen == self.answer)

    def covers(self, key: str) -> bool:
        """Whether a change of that key is one of what was read."""
        return self.start <= key and (self.end is None or key < self.end) if self.is_range else key == self.start

    def __str__(self) -> str:
        if not self.is_range:
            return f"read {self.start!r}"
        return f"scanned {self.start!r} to {self.end!r}" if self.end is not None else f"scanned from {self.start!r}"


@dataclass(eq=False)
class Committed:
    """One transaction, from its first moment to its end, in the order in which it did things."""

    name: str
    begun: int
    ended: int
    steps: list[Read | tuple[str, Any]] = field(default_factory=list)
    """Reads, and writes as `(key, value)`, None for a deletion."""

    def writes(self) -> dict[str, Any]:
        """What it leaves behind."""
        return dict(step for step in self.steps if not isinstance(step, Read))

    def reads(self) -> Iterator[tuple[Read, set[str]]]:
        """What it has read, each time with the keys that it had written itself by then."""
        own: set[str] = set()
        for step in self.steps:
            if isinstance(step, Read):
                yield step, set(own)
            else:
                own.add(step[0])

    def fits(self, state: State) -> bool:
        """Whether it would have read what it did, run alone on that state."""
        own: dict[str, Any] = {}
        for step in self.steps:
            if isinstance(step, Read):
                if not step.is_true_of(state, own):
                    return False
            else:
                own[step[0]] = step[1]
        return True


def serial_order(
    transactions: Sequence[Committed], final: State | None = None, steps_max: int = STEPS_MAX
) -> list[Committed] | None:
    """An order in which they could have run one after another, from nothing to `final`; None: there is none.

    One that ended before another began comes before it. Inconclusive after `steps_max` placements.
    """
    dead_ends: set[tuple[frozenset[int], tuple[tuple[str, Any], ...]]] = set()
    steps = 0

    def search(left: frozenset[int], state: dict[str, Any]) -> list[Committed] | None:
        nonlocal steps
        if not left:
            return [] if final is None or state == dict(final) else None
        here = (left, tuple(sorted(state.items())))
        if here in dead_ends:
            return None
        first_end = min(transactions[number].ended for number in left)
        for number in sorted(left):
            steps += 1
            if steps > steps_max:
                raise Inconclusive(f"transactions that overlap so much take more than {steps_max:,} steps to judge")
            one = transactions[number]
            if one.begun <= first_end and one.fits(state):
                after = {k: v for k, v in {**state, **one.writes()}.items() if v is not None}
                rest = search(left - {number}, after)
                if rest is not None:
                    return [one, *rest]
        dead_ends.add(here)
        return None

    return search(frozenset(range(len(transactions))), {})


def cycle(transactions: Sequence[Committed]) -> list[tuple[Committed, str, Committed]]:
    """The smallest circle of dependencies: each step says why its first must come before its last. Empty: none found.

    The versions of a key are taken to be in the order of the commits that wrote them.
    """
    after: dict[Committed, dict[Committed, str]] = {one: {} for one in transactions}
    in_order = sorted(transactions, key=lambda one: one.ended)
    for one in in_order:
        for other in in_order:
            if one is not other and (why := _must_precede(one, other, in_order)):
                after[one][other] = why
    best: list[Committed] = []
    for start in in_order:
        path = _shortest_back(start, after)
        if path and (not best or len(path) < len(best)):
            best = path
    return [(one, after[one][other], other) for one, other in zip(best, [*best[1:], *best[:1]], strict=True)]


def _shortest_back(start: Committed, after: Mapping[Committed, Mapping[Committed, str]]) -> list[Committed]:
    paths, seen = [[start]], {start}
    while paths:
        path = paths.pop(0)
        for following in after[path[-1]]:
            if following is start:
                return path
            if following not in seen:
                seen.add(following)
                paths.append([*path, following])
    return []


def _must_precede(one: Committed, other: Committed, in_order: Sequence[Committed]) -> str:
    """Why `one` comes first: it ended first, was read from, overwritten, or did not see what the other wrote."""
    if one.ended < other.begun:
        return f"{one.name} was committed before {other.name} began"
    written = one.writes()
    for read, own in other.reads():
        for key, value in written.items():
            if value is not None and read.covers(key) and key not in own and value == _seen(read, key):
                return f"{other.name} {read} and saw what {one.name} had written"
    for read, own in one.reads():
        for key, value in other.writes().items():
            if read.covers(key) and key not in own and not _is_seen(read, key, value, other, in_order):
                return f"{one.name} {read} and did not see what {other.name} wrote"
    if one.ended < other.ended and (both := sorted(written.keys() & other.writes().keys())):
        return f"{other.name} overwrote {both[0]!r} after {one.name}"
    return ""


def _seen(read: Read, key: str) -> Any:
    return dict(read.answer).get(key) if read.is_range else read.answer


def _is_seen(read: Read, key: str, value: Any, writer: Committed, in_order: Sequence[Committed]) -> bool:
    """Whether the read gave that version of the key, or a later one."""
    later = in_order[in_order.index(writer) :]
    return _seen(read, key) in [each.writes()[key] for each in later if key in each.writes()] or value is None


class History:
    """Transactions of a database, begun here and judged together.

        history = History(database, conflict="Conflict")
        one = history.begin("one")
        one.put("x", b"1"); one.commit()            False from a call on: it was aborted, and does nothing more
        history.expect_serializable()

    What is written must differ from all else that is written under that key.
    """

    def __init__(self, database: Object, conflict: str) -> None:
        self._database = database
        self._conflict = conflict
        self._moment = 0
        self.transactions: list[Running] = []

    def begin(self, name: str) -> Running:
        """Begin a transaction; the name stands in messages."""
        transaction = self._database.begin()
        if not isinstance(transaction, Object):
            raise _odd("begin", transaction, "an object, a transaction")
        running = Running(self, name, transaction)
        self.transactions.append(running)
        return running

    def next_moment(self) -> int:
        """A number for when something happens, greater than all before."""
        self._moment += 1
        return self._moment

    def is_conflict(self, error: Any) -> bool:
        """Whether that is how the database says that a transaction was aborted."""
        return self._conflict in error.types

    def committed(self) -> list[Committed]:
        """Those that were committed."""
        return [running.record for running in self.transactions if running.outcome == "committed"]

    def expect_serializable(self, final: Iterable[tuple[str, Any]]) -> None:
        """See that those that were committed could have run one after another, and left `final`; else it has failed."""
        committed, left = self.committed(), dict(final)
        if serial_order(committed, left) is not None:
            return
        circle = cycle(committed)
        if circle:
            told = "; ".join(why for _, why, _ in circle)
            names = " and ".join(one.name for one, _, _ in circle)
            message = f"{names} can't have run one after another: {told}."
        else:
            message = f"No order of {', '.join(each.name for each in committed)} explains what was read and is left."
        raise failed(
            "wrong-answer",
            message,
            expected="an order in which each reads what it did",
            got=f"none; the database holds {shown(left)} in the end",
            advice="One had to be aborted: in commit, compare what was read with what others have committed since.",
        )


def _are_pairs(answer: object) -> bool:
    if not isinstance(answer, list | tuple):
        return False
    return all(isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in answer)


def _odd(method: str, answer: object, expected: str) -> CheckFailed:
    return failed(
        "wrong-answer",
        f"{method} gave {shown(answer)}.",
        expected=expected,
        got=shown(answer),
        advice="Compare with the interface in the statement.",
    )


class Running:
    """A transaction that may still be under way. Calls of one that was aborted do nothing."""

    def __init__(self, history: History, name: str, transaction: Object) -> None:
        self._history = history
        self.transaction = transaction
        """The database's own, for what a history is not about: calls of it are not recorded."""
        self.outcome: str = "under way"
        """Or `committed`, `aborted`, `rolled back`."""
        moment = history.next_moment()
        self.record = Committed(name, moment, moment)

    def get(self, key: str) -> Any:
        """Read a key: what it gave, None also when that ended it."""
        answer = self._call("get", key)
        if self.outcome == "under way":
            self.record.steps.append(Read(key, None, False, answer))
        return answer

    def scan(self, start: str, end: str | None = None) -> Any:
        """Read a range: what it gave, None when that ended it."""
        answer = self._call("scan", start, end)
        if self.outcome == "under way":
            if not _are_pairs(answer):
                raise _odd("scan", answer, "a list of pairs, each a key and its value")
            self.record.steps.append(Read(start, end, True, [tuple(pair) for pair in answer]))
        return answer

    def put(self, key: str, value: bytes) -> None:
        """Write a key."""
        self._call("put", key, value)
        self.record.steps.append((key, value))

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._call("delete", key)
        self.record.steps.append((key, None))

    def commit(self) -> bool:
        """Whether it was committed."""
        if self.outcome == "under way":
            self._call("commit")
            if self.outcome == "under way":
                self._end("committed")
        return self.outcome == "committed"

    def rollback(self) -> None:
        """Roll it back."""
        if self.outcome == "under way":
            self._call("rollback")
            self._end("rolled back")

    def _call(self, method: str, *args: Any) -> Any:
        if self.outcome != "under way":
            return None
        call = getattr(self.transaction, method).start(*args)
        settle([call])
        if call.error is None:
            return call.value
        if not self._history.is_conflict(call.error):
            raise call.error
        self._end("aborted")
        return None

    def _end(self, outcome: str) -> None:
        self.outcome = outcome
        self.record.ended = self._history.next_moment()
