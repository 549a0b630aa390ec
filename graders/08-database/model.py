"""A plain model of a database, a day that is played on a real one, and what may be found after each crash."""

import contextlib
import random
from dataclasses import dataclass

from hypothesis import strategies as st

from kata.grading import Object, StudentError, named, raises, settle
from kata.grading.disk import FATES


def begin(database):
    """A new transaction, which must be an object."""
    transaction = database.begin()
    assert isinstance(transaction, Object), "what begin gives"
    return transaction


def pairs_of(answer):
    """What a scan gave, which must be pairs of text and bytes."""
    assert isinstance(answer, list | tuple), "what scan gives, a list of pairs"
    assert all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in answer), "what scan gives, a list of pairs"
    assert all(isinstance(k, str) and isinstance(v, bytes) for k, v in answer), "what scan gives, text and bytes"
    return dict(answer)


def state_of(database):
    """All that a new transaction sees, as a dictionary."""
    transaction = begin(database)
    pairs = transaction.scan("")
    transaction.rollback()
    return pairs_of(pairs)


def small(state):
    """How many bytes the files may have that hold such a state."""
    payload = sum(len(key.encode()) + len(value) for key, value in state.items())
    return 4 * (payload + 64 * len(state)) + 16_384


# ---------------------------------------------------------------- a day in the shop


def value(number, size=40):
    """The number in that many bytes."""
    return (b"%d." % number * size)[:size]


def noise(number, size):
    """So many bytes that can't be had for fewer."""
    return random.Random(number).randbytes(size)


ODD = {
    "": b"",
    " a\n": b"\x00\xff\n\r",
    "a\x00": b" ",
    "東京 🚄": bytes(range(256)),
    "é": b"1",
    "e\u0301": b"2",
    "null": b"None",
}
"""Keys and values that are like any other."""

SALES = [
    {"stock/saddle": value(1), "stock/tyre": value(2)},
    {"stock/tyre": value(3), "sold/tyre": b""},
    {"stock/saddle": None, "sold/saddle": value(4, 200)},
    {"stock/saddle": value(5), "stock/tyre": None, "sold/tyre": value(6)},
    {"stock/bell": value(7, 90)},
    {"stock/bell": value(8, 3), "stock/tyre": value(9)},
    {"sold/saddle": None},
]
"""Small transactions, each with its writes."""

DELIVERIES = [
    {f"shelf/{(number + each) % 4}": value(10 * number + each, 1500) for each in range(3)} | {f"note/{number}": b"in"}
    for number in range(12)
]
"""Big ones that replace what was there, more than a log may keep, and each with a key of its own."""

STOCKTAKING = [
    {"bell": b"3", "shelf/7": b"empty"},
    {"bell": None} | {f"shelf/{number}": value(number, 400) for number in range(100)},
]
"""A small one, and one of many keys and some 40,000 bytes."""

RESTOCKING = [{"the shop's window": value(1, 6000)}] + [{"saddle": value(number, 1500)} for number in range(16)]
"""One big value that stays, and another that is written again and again."""

RARITIES = [
    {"pedal": None, "saddle": b"1"},
    {"the shop's window": noise(1, 24_000)},
    {"saddle": None, "bell": b""},
    {"tyre": b"20"},
    {"tyre": b"19"},
    {"rim": b"5"},
]
"""Deletions among the first bytes, and one value that is much bigger than all others."""


class Shop:
    """Plays transactions on a database, and knows what was acknowledged at each moment of its disk."""

    def __init__(self, world, disk, database):
        self._world, self._disk, self._database = world, disk, database
        self._states = [{}]
        """What the database holds after so many commits have returned, or raised OSError."""
        self._tried = []
        """What it would hold if each of them succeeded."""
        self._ended = []
        """At how many moments of the recording each of them had returned or raised."""

    def play(self, steps, free_bytes=None):
        """Commit each step's writes; between them one transaction is rolled back and one never ends. Its crashes.

        With so many bytes free, if that is given; a commit may then find no room.
        """
        room = contextlib.nullcontext() if free_bytes is None else self._disk.full(free_bytes)
        with room, self._disk.recording() as moments:
            for number, writes in enumerate(steps):
                self._leave_open(number)
                before = self._states[-1]
                self._tried.append(after(before, writes))
                if free_bytes is None:
                    commit(self._database, writes)
                else:
                    writes = kept_if_it_fits(self._database, writes)
                self._states.append(after(before, writes))
                self._ended.append(len(moments))
        return [self._crash(index, moment) for index, moment in enumerate(moments)]

    def _leave_open(self, number):
        undone = begin(self._database)
        undone.put("undone", value(number))
        undone.rollback()
        begin(self._database).put(f"never ends {number}", value(number))

    def _crash(self, index, moment):
        done = sum(count <= index for count in self._ended)
        return Crash(self._world, moment, self._states[: done + 1] + self._tried[done : done + 1], done)


@dataclass
class Crash:
    """A crash at one call of the disk: what was acknowledged by then, and what comes of it."""

    world: object
    moment: object
    states: list
    """After none, one, two commits and so on, the one that was under way included."""
    done: int
    """How many commits had returned, or had found no room."""

    def disks(self):
        """The disks that may be found, each with a sentence about it."""
        words = {"lost": "all that was not synced is lost", "kept": "all is there", "torn": "it is there in pieces"}
        for fate in FATES:
            yield self.moment.crashed(fate), f"a crash {self.moment.when}: {words[fate]}"

    @property
    def right(self):
        """The states that may be found: with and without what was under way."""
        return self.states[self.done :]


def distinct(crashes):
    """Each crash with the disks that may be found after it, but for those that looked the same after one before it."""
    seen = {}
    for crash in crashes:
        disks = list(once(crash.disks(), seen.setdefault(crash.done, set())))
        if disks:
            yield crash, disks


def some(world, items, most):
    """All of them, or so many, drawn from the seed; in their order."""
    items = list(items)
    return [items[at] for at in sorted(world.random.sample(range(len(items)), min(most, len(items))))]


def once(disks, seen):
    """Those disks, each with its sentence, whose files are unlike all that were seen."""
    for disk, words in disks:
        files = frozenset(disk.contents().items())
        if files not in seen:
            seen.add(files)
            yield disk, words


def opened(student, disk):
    """What the database holds when it is opened on that disk; text if it can't be opened."""
    try:
        database = named("database", student.Database(disk))
    except StudentError as error:
        return f"{'Corrupt' if 'Corrupt' in error.types else error.type}: {error.message}"
    try:
        return state_of(database)
    except StudentError as error:
        return f"opened, and then {error.type}: {error.message}"


def after(state, writes):
    """A state with these writes; None deletes."""
    return {key: content for key, content in (state | writes).items() if content is not None}


def commit(database, writes):
    """Commit one transaction with these writes; None deletes."""
    transaction = begin(database)
    put_all(transaction, writes)
    transaction.commit()


def kept_if_it_fits(database, writes):
    """Commit these writes; they, or nothing if there was no room."""
    transaction = begin(database)
    put_all(transaction, writes)
    (commit,) = settle([transaction.commit.start()])
    if commit.error is None:
        return writes
    assert "OSError" in commit.error.types, "what a commit raises for which there is no room"
    return {}


def put_all(transaction, writes):
    for key, content in writes.items():
        if content is None:
            transaction.delete(key)
        else:
            transaction.put(key, content)


def holds(state, other):
    """Whether a state has all that another one has."""
    return isinstance(state, dict) and all(state.get(key) == content for key, content in other.items())


# ---------------------------------------------------------------- schedules

ORDERS = ("reads first", "writes first")
KEYS = ("ada", "bob", "cyd")
_moves = st.one_of(
    st.tuples(st.just("get"), st.sampled_from(KEYS)),
    st.tuples(st.just("put"), st.sampled_from(KEYS)),
    st.tuples(st.just("put"), st.sampled_from(KEYS)),
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("scan"), st.sampled_from([("a", "c"), ("b", "c"), ("b", None)])),
    st.tuples(st.sampled_from(["commit", "commit", "rollback"]), st.just("")),
)
schedules = st.lists(st.tuples(st.integers(0, 3), _moves), min_size=30, max_size=30)


def in_order(order, reads, writes):
    """Make calls of transactions that overlap, each a `(method, *arguments)`: all that read first, or last."""
    for call, *arguments in (*reads, *writes) if order == "reads first" else (*writes, *reads):
        call(*arguments)


def play(history, steps):
    """Four transactions at a time: whoever has ended is followed by a new one. All are committed in the end."""
    running = [None] * 4
    for number, (lane, (method, what)) in enumerate(steps):
        if running[lane] is None or running[lane].outcome != "under way":
            running[lane] = history.begin(f"T{len(history.transactions) + 1}")
        one = running[lane]
        match method:
            case "put":
                one.put(what, b"%d" % number)
            case "get":
                one.get(what)
            case "delete":
                one.delete(what)
            case "scan":
                one.scan(*what)
            case "commit":
                one.commit()
            case _:
                one.rollback()
    for one in running:
        if one is not None:
            one.commit()


def does_nothing_more(transaction):
    """Everything but `rollback` raises RuntimeError."""
    for method, *arguments in (
        ("get", "saddle"),
        ("put", "saddle", b"9"),
        ("delete", "saddle"),
        ("scan", ""),
        ("scan", "b", "a"),
        ("commit",),
    ):
        with raises("RuntimeError"):
            getattr(transaction, method)(*arguments)
    transaction.rollback()


@contextlib.contextmanager
def nothing_written(disk, what):
    """Meanwhile the disk must not be changed."""
    changes, syncs = disk.changes, disk.syncs
    yield
    assert disk.syncs - syncs == 0, f"the fsyncs of {what}"
    assert disk.changes - changes == 0, f"the calls of {what} that changed the disk"
