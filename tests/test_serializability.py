"""Which histories of transactions could have run one after another: published anomalies, and generated ones."""

from __future__ import annotations

import random

import pytest

from kata.grading.serializability import Committed, Read, cycle, serial_order
from kata.supervisor.failures import Inconclusive


def read(key, answer):
    return Read(key, None, False, answer)


def scanned(start, end, *pairs):
    return Read(start, end, True, list(pairs))


def done(name, begun, ended, *steps):
    return Committed(name, begun, ended, list(steps))


SETUP = done("T0", 1, 2, ("x", b"0"), ("y", b"0"))

GOOD = {
    "nothing at all": [],
    "one after another": [SETUP, done("T1", 3, 4, read("x", b"0"), ("x", b"1")), done("T2", 5, 6, read("x", b"1"))],
    "one that overlaps comes first, though it ended last": [
        SETUP,
        done("T1", 3, 6, read("x", b"0"), ("z", b"1")),
        done("T2", 4, 5, read("y", b"0"), ("x", b"2")),
    ],
    "a reader of an older moment": [
        SETUP,
        done("T1", 3, 8, read("x", b"0"), read("y", b"0")),
        done("T2", 4, 5, ("x", b"1"), ("y", b"1")),
    ],
    "its own writes": [SETUP, done("T1", 3, 4, ("x", b"1"), read("x", b"1"), ("x", None), read("x", None))],
    "blind writes": [done("T1", 1, 4, ("x", b"1")), done("T2", 2, 3, ("x", b"2")), done("T3", 5, 6, read("x", b"2"))],
    "its own writes in a range": [
        SETUP,
        done("T1", 3, 4, ("xx", b"1"), ("x", None), scanned("x", "y", ("xx", b"1")), ("xx", b"2")),
    ],
}
BAD = {
    "a lost update (Adya's P4)": [
        SETUP,
        done("T1", 3, 6, read("x", b"0"), ("x", b"1")),
        done("T2", 4, 5, read("x", b"0"), ("x", b"2")),
    ],
    "write skew (Berenson et al., A5B)": [
        SETUP,
        done("T1", 3, 6, read("x", b"0"), read("y", b"0"), ("x", b"1")),
        done("T2", 4, 5, read("x", b"0"), read("y", b"0"), ("y", b"1")),
    ],
    "read skew (A5A)": [
        SETUP,
        done("T1", 3, 6, read("x", b"0"), read("y", b"1")),
        done("T2", 4, 5, ("x", b"1"), ("y", b"1")),
    ],
    "a phantom (P3)": [
        done("T1", 1, 4, scanned("a", "b"), ("t1", b"0")),
        done("T2", 2, 3, scanned("a", "b"), ("a1", b"1")),
        done("T3", 5, 6, read("t1", b"0"), scanned("a", "b", ("a1", b"1"))),
        done("T4", 7, 8, scanned("a", "b")),
    ],
    "two that each are the first": [
        done("T1", 1, 4, read("b", None), ("a", b"1")),
        done("T2", 2, 3, read("a", None), ("b", b"2")),
    ],
    "a dirty read of what was overwritten (G1b)": [
        done("T1", 1, 2, ("x", b"1"), ("x", b"2")),
        done("T2", 3, 4, read("x", b"1")),
    ],
    "a read of what nobody wrote": [SETUP, done("T1", 3, 4, read("x", b"9"))],
    "a commit that is forgotten (strictness)": [
        SETUP,
        done("T1", 3, 4, ("x", b"1")),
        done("T2", 5, 6, read("x", b"0")),
    ],
    "a read-only anomaly (Fekete, O'Neil and O'Neil 2004)": [
        SETUP,
        done("deposit", 3, 5, read("y", b"0"), ("y", b"20")),
        done("report", 6, 7, read("x", b"0"), read("y", b"20")),
        done("withdrawal", 4, 8, read("x", b"0"), read("y", b"0"), ("x", b"-11")),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_could_have_run_in_turn(name):
    history = GOOD[name]
    order = serial_order(history)
    assert order is not None
    assert sorted(order, key=history.index) == history


@pytest.mark.parametrize("name", BAD)
def test_what_could_not(name):
    assert serial_order(BAD[name]) is None


def test_the_end_must_fit_as_well():
    history = [done("T1", 1, 4, ("x", b"1")), done("T2", 2, 3, ("x", b"2"))]
    assert serial_order(history, {"x": b"1"}) is not None
    assert serial_order(history, {"x": b"2"}) is not None
    assert serial_order(history, {"x": b"3"}) is None
    assert serial_order(history, {}) is None


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("a lost update (Adya's P4)", {"T1", "T2"}),
        ("write skew (Berenson et al., A5B)", {"T1", "T2"}),
        ("read skew (A5A)", {"T1", "T2"}),
        ("two that each are the first", {"T1", "T2"}),
        ("a read-only anomaly (Fekete, O'Neil and O'Neil 2004)", {"deposit", "report", "withdrawal"}),
    ],
)
def test_the_circle_names_who_stands_in_it(name, names):
    circle = cycle(BAD[name])
    assert {one.name for one, _, _ in circle} == names
    assert all(following is circle[(at + 1) % len(circle)][0] for at, (_, _, following) in enumerate(circle))
    assert all(why for _, why, _ in circle)


def test_without_a_budget_it_does_not_say_fine():
    crowd = [done(f"T{number}", 1, 100 + number, (f"k{number}", b"1")) for number in range(8)]
    with pytest.raises(Inconclusive):
        serial_order([*crowd, done("T9", 1, 99, read("k0", b"9"))], steps_max=500)


def generated(seed, lie):
    """Transactions that ran in turn, their spans stretched so that they overlap; with `lie` one read is wrong."""
    chance = random.Random(seed)
    state, history = {}, []
    for number in range(7):
        own, steps = {}, []
        for _ in range(chance.randrange(1, 5)):
            key = chance.choice("abc")
            merged = {k: v for k, v in {**state, **own}.items() if v is not None}
            match chance.choice(["read", "scan", "write", "delete"]):
                case "read":
                    steps.append(read(key, merged.get(key)))
                case "scan":
                    steps.append(scanned(key, None, *sorted((k, v) for k, v in merged.items() if k >= key)))
                case "write":
                    own[key] = b"%d" % (100 * number + len(steps))
                    steps.append((key, own[key]))
                case _:
                    own[key] = None
                    steps.append((key, None))
        state = {k: v for k, v in {**state, **own}.items() if v is not None}
        begun, ended = 10 * number - chance.randrange(25), 10 * number + chance.randrange(1, 25)
        history.append(done(f"T{number}", begun, ended, *steps))
    if lie:
        liar = chance.choice(history)
        liar.steps.append(read("a", b"what nobody wrote"))
    chance.shuffle(history)
    return history, state


@pytest.mark.parametrize("seed", range(40))
def test_what_ran_in_turn_is_found_to_have(seed):
    history, state = generated(seed, lie=False)
    assert serial_order(history, state) is not None, f"seed {seed}"


@pytest.mark.parametrize("seed", range(20))
def test_one_wrong_read_is_found(seed):
    history, state = generated(seed, lie=True)
    assert serial_order(history, state) is None, f"seed {seed}"
