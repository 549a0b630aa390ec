"""The judge of histories: published ones, generated ones against brute force, and what it says when it can't tell."""

from __future__ import annotations

import itertools
import random

import pytest

from kata.grading import Inconclusive
from kata.grading.linearizability import History, Operation, is_linearizable, violation
from kata.supervisor.failures import CheckFailed, StudentError


def put(value, begun, ended, key="x"):
    return Operation("put", key, value, begun, ended)


def get(value, begun, ended, key="x"):
    return Operation("get", key, value, begun, ended)


# Herlihy and Wing, TOPLAS 1990; Wing and Gong 1993; Kingsbury's and Attiya's examples of registers, as intervals.
LINEARIZABLE = {
    "nothing at all": [],
    "a get of what is there at first": [get(None, 0, 1)],
    "one after the other": [put("a", 0, 1), get("a", 2, 3), put("b", 4, 5), get("b", 6, 7)],
    "a get that overlaps the put may see it": [put("a", 0, 3), get("a", 1, 2)],
    "a get that overlaps the put may miss it": [put("a", 0, 3), get(None, 1, 2)],
    "Herlihy and Wing, figure 2 (a), as a register": [put(0, 0, 4), put(1, 1, 3), get(1, 5, 6)],
    "concurrent puts in the order that the gets tell": [put("a", 0, 5), put("b", 0, 5), get("b", 1, 2), get("a", 3, 4)],
    "an unknown put that took effect late": [put("a", 0, 1), put("b", 2, None), get("a", 3, 4), get("b", 5, 6)],
    "an unknown put that never did": [put("a", 0, 1), put("b", 2, None), get("a", 3, 4), get("a", 5, 6)],
    "an unknown get says nothing": [put("a", 0, 1), get("z", 2, None)],
    "an end at a moment comes before a beginning at it": [put("a", 0, 1), get("a", 1, 2)],
    "keys are apart": [put("a", 0, 1, "x"), put("b", 2, 3, "y"), get("a", 4, 5, "x"), get("b", 4, 5, "y")],
}
NOT_LINEARIZABLE = {
    "a stale get": [put("a", 0, 1), put("b", 2, 3), get("a", 4, 5)],
    "a get of what nobody put": [put("a", 0, 1), get("b", 2, 3)],
    "a get from the future": [get("a", 0, 1), put("a", 2, 3)],
    "new, then old, under one put (no write-back)": [put("a", 0, 1), put("b", 2, 9), get("b", 3, 4), get("a", 5, 6)],
    "two readers that disagree on two puts": [
        put("a", 0, 1),
        put("b", 0, 1),
        get("a", 2, 3),
        get("b", 4, 5),
        get("a", 6, 7),
    ],
    "an unknown put that is undone": [put("a", 0, 1), put("b", 2, None), get("b", 3, 4), get("a", 5, 6)],
    "an unknown put that takes effect twice": [
        put("a", 0, None),
        get("a", 1, 2),
        put("b", 3, 4),
        get("b", 5, 6),
        get("a", 7, 8),
    ],
    "stale at the moment of an end": [put("a", 0, 1), get(None, 1, 2)],
    "one key of two": [put("a", 0, 1, "x"), put("b", 0, 1, "y"), get("a", 2, 3, "x"), get(None, 2, 3, "y")],
}


@pytest.mark.parametrize("history", LINEARIZABLE.values(), ids=LINEARIZABLE)
def test_accepts(history):
    assert violation(history) is None


@pytest.mark.parametrize("history", NOT_LINEARIZABLE.values(), ids=NOT_LINEARIZABLE)
def test_refuses(history):
    assert violation(history) is not None


def by_brute_force(operations):
    """Try every order of every choice of the operations whose outcome is unknown."""
    told = [o for o in operations if o.kind == "put" or o.ended is not None]
    sure = [o for o in told if o.ended is not None]
    unsure = [o for o in told if o.ended is None]
    for size in range(len(unsure) + 1):
        for chosen in itertools.combinations(unsure, size):
            if any(fits(order) for order in itertools.permutations([*sure, *chosen])):
                return True
    return False


def fits(order):
    state = None
    for index, operation in enumerate(order):
        if any(later.ended is not None and later.ended <= operation.begun for later in order[index + 1 :]):
            return False
        if operation.kind == "put":
            state = operation.value
        elif operation.value != state:
            return False
    return True


def random_history(chance):
    operations = []
    for number in range(chance.randint(1, 6)):
        begun = chance.randrange(12)
        ended = None if chance.random() < 0.2 else begun + 1 + chance.randrange(6)
        value = number if chance.random() < 0.5 else None
        kind = "put" if value is not None else "get"
        operations.append(
            Operation(kind, "x", value if kind == "put" else chance.choice([None, 0, 1, 2, 3]), begun, ended)
        )
    return operations


def test_agrees_with_brute_force():
    chance = random.Random(17)
    histories = [random_history(chance) for _ in range(1500)]
    verdicts = [is_linearizable(history) for history in histories]
    assert verdicts == [by_brute_force(history) for history in histories]
    assert 0.2 < verdicts.count(True) / len(verdicts) < 0.8, "both verdicts must be common, or this shows little"


def simulated(chance, clients, calls):
    """A history of a real register: each operation takes effect at a moment within its interval."""
    effects, state = [], None
    for client in range(clients):
        now = chance.random()
        for number in range(calls):
            begun, effect, ended = sorted(now + chance.random() * 3 for _ in range(3))
            effects.append((effect, begun, ended, f"{client}.{number}", chance.random() < 0.5))
            now = ended
    operations = []
    for _, begun, ended, value, writes in sorted(effects):
        state = value if writes else state
        unsure = writes and chance.random() < 0.1
        operations.append(Operation("put" if writes else "get", "x", state, begun, None if unsure else ended))
    return operations


def test_accepts_what_a_register_did_and_soon():
    chance = random.Random(4)
    for _ in range(20):
        assert is_linearizable(simulated(chance, clients=6, calls=20))


def test_refuses_what_a_register_did_with_one_answer_changed():
    chance = random.Random(5)
    for _ in range(20):
        history = simulated(chance, clients=3, calls=15)
        last = max((o for o in history if o.kind == "get"), key=lambda o: o.begun)
        history.append(get("nobody put that", last.begun + 0.001, last.begun + 0.002))
        assert violation(history).get.value == "nobody put that"


def test_says_that_it_can_not_tell_rather_than_fine():
    crowd = [put(n, 0, 100) for n in range(14)] + [get(n, 101 + n, 101.5 + n) for n in (3, 4)]
    with pytest.raises(Inconclusive, match="more than 50 steps"):
        violation(crowd, steps_max=50)


def test_puts_without_an_end_that_nobody_read_explain_nothing():
    """Two dozen of them beside answers that contradict each other: all their orders would be too many to try."""
    open_puts = [put(f"lost {number}", 0, None) for number in range(24)]
    told = [put("a", 1, 2), put("b", 3, 4), get("b", 5, 6), get("a", 7, 8), get("b", 9, 10)]
    assert not is_linearizable([*open_puts, *told])
    assert is_linearizable([*open_puts, *told[:3]])
    assert is_linearizable([put("late", 0, None), *told[:3], get("late", 7, 8)])


def test_an_operation_ends_after_it_began():
    with pytest.raises(ValueError, match="must end after"):
        is_linearizable([put("a", 1, 1)])


def test_a_violation_names_the_first_get_and_what_it_could_have_been():
    history = [put("a", 0, 1), put("b", 2, 3), get("b", 4, 5), get("a", 6, 7), get("b", 8, 9), put("c", 6.5, None)]
    found = violation(history)
    assert (found.get.value, found.get.ended, found.possible) == ("a", 7, ("b", "c"))
    assert [(o.kind, o.value) for o in found.witnesses] == [("put", "a"), ("put", "b")]


def test_a_violation_is_the_same_when_two_gets_end_at_one_moment():
    history = [put("a", 0, 1), put("b", 2, 3), get("b", 4, 7), get("a", 5, 7)]
    assert violation(history).get.value == "a"


# Calls of a submission


REGISTER = """
    import asyncio
    class Unavailable(Exception):
        pass
    class Register:
        value = None
        async def put(self, key, value):
            await asyncio.sleep(1)
            self.value = value
            if value == b"unsure":
                raise Unavailable
            if value == b"wrong":
                raise KeyError(key)
        async def get(self, key):
            await asyncio.sleep(1)
            return [self.value]
        async def forget(self):
            self.value = b"a"
"""


def recorded(world):
    return History(read=lambda answer: answer[0], unknown=["Unavailable"]), world.student().Register()


def test_a_history_of_calls_is_judged(world_of):
    history, register = recorded(world_of(REGISTER))
    history.get(register, "k")
    history.put(register, "k", b"a").result()
    history.put(register, "k", b"b").result()
    history.get(register, "k").result()
    history.expect_linearizable()
    assert len(history.calls) == 4


def test_a_wrong_history_says_why(world_of):
    world = world_of(REGISTER)
    history, register = recorded(world)
    history.put(register, "k", b"a").result()
    history.put(register, "k", b"b").result()
    register.forget()
    history.get(register, "k").result()
    with pytest.raises(CheckFailed) as caught:
        history.expect_linearizable()
    assert caught.value.failure.message == (
        "register.get('k') gave b'a', and no order of the calls explains that. "
        "register.put('k', b'a'), before it; register.put('k', b'b'), before it."
    )
    assert [line.expected for line in world.lines()[0]] == ["", "", "", "", "b'b'"]


def test_what_is_unknown_may_have_happened_and_another_error_is_one(world_of):
    history, register = recorded(world_of(REGISTER))
    history.put(register, "k", b"unsure")
    history.put(register, "k", b"cut short")
    history.get(register, "k").result()
    history.expect_linearizable()
    assert [o.ended is None for o in history.operations()] == [True, False, False]
    history.put(register, "k", b"wrong")
    history.get(register, "k").result()
    with pytest.raises(StudentError, match="KeyError"):
        history.expect_linearizable()
