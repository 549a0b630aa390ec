"""What the limiters cost: CPU time, memory, and what is asked of the store."""

import pytest
from model import MOMENT, admitted, decided

from kata.grading import check, growth, settle

MIB = 1024 * 1024
REGULARS = ("regular", "constant", "faithful", "steady")


@check("flat-cost", coverage=False)
def test_cost_does_not_grow_with_the_keys(with_keys):
    """A call costs the same CPU time whether 32 keys are held or 4,096."""

    def calls(size):
        student, limiters, keys = with_keys[size]
        answers = []
        with student.cpu() as used:
            for limiter in limiters:
                answers.append(limiter.allow.each((keys * 60)[::7][:200]))
        for some in answers:  # who answers nothing, costs nothing
            assert any(decided(one).allowed for one in some), (
                "whether any of 200 calls is admitted, for which there is room"
            )
        return used.seconds

    growth(calls, sizes=list(with_keys), at_most=0.25, what="The work of 200 calls with each limiter", calls=600)


@check("flat-cost", coverage=False)
def test_cost_does_not_grow_with_the_history(with_history, clock):
    """A call costs the same CPU time whether there were 200 before or 3,200, admitted and denied."""

    def calls(size):
        student, limiters = with_history[size]
        answers = []
        clock.advance(61)
        with student.cpu() as used:
            for limiter in limiters:
                answers.append(limiter.allow.each(["ada"] * 200))
        for some in answers:
            admissions = sum(decided(one).allowed for one in some)
            assert 0 < admissions < 200, "how many of 200 calls are admitted, for half of which there is room"
        return used.seconds

    growth(calls, sizes=list(with_history), at_most=0.25, what="The work of 200 calls with each limiter", calls=600)


@check("idle-keys", coverage=False)
def test_keys_that_do_not_come_back_are_dropped(new_limiters, clock):
    """When 6,400 keys have come and gone beside four that stay, a limiter uses no more memory than when 1,200 had."""
    for student, limiter in new_limiters():
        come_and_go(limiter, clock, 0, 1200)
        before = student.memory()
        # Those that stay come twice a minute; later nobody comes for three windows after each batch of keys.
        for first, pauses in ((1200, (30.75, 30.75)), (3800, (200,))):
            come_and_go(limiter, clock, first, first + 2600, pauses)
            grown = (student.memory() - before) / MIB
            # The 1,162 keys that it may keep take 5 MiB, the 2,600 that came and went take 11.
            assert grown < 6.5, f"by how many MiB the memory of a {limiter} has grown meanwhile; a key has 4 KiB"


@check("idle-keys", coverage=False)
@pytest.mark.parametrize("end", ["admitted", "denied", "failed"])
def test_a_shared_limiter_drops_them_too(mortal_server, store, clock, end):
    """A shared limiter uses no more memory when 2,000 keys have come and gone, however the last call of each ended."""
    student, shared = mortal_server("", rate=30)
    come_and_go_at_a_store(shared, store, clock, end, range(100))
    before = student.memory()
    come_and_go_at_a_store(shared, store, clock, end, range(100, 2100))
    grown = (student.memory() - before) / MIB
    assert grown < 6.5, "by how many MiB the memory of a shared limiter has grown meanwhile; a key has 4 KiB"


@check("idle-keys", coverage=False)
def test_keys_that_were_never_admitted_are_not_held(new_limiters):
    """Calls that are denied for good leave nothing behind, for however many keys they are made."""
    for student, limiter in new_limiters():
        limiter.allow.each([(long_key(number), 1000) for number in range(100)])
        before = student.memory()
        for first in range(100, 3100, 100):
            limiter.allow.each([(long_key(number), 1000) for number in range(first, first + 100)])
        grown = (student.memory() - before) / MIB
        assert grown < 6.5, f"by how many MiB the memory of a {limiter} has grown in 3,000 such calls; a key has 4 KiB"


@check("idle-keys", coverage=False)
def test_what_was_spent_is_not_dropped(new_limiters):
    """However many keys have just spent all that they had, each of them is remembered."""
    keys = [f"key{number}" for number in range(6000)]
    for _, limiter in new_limiters():
        for asked, cost, expected in ((keys, 3, 6000), (keys[::6], 1, 0)):
            calls = [(key, cost) for key in asked]
            answers = [one for at in range(0, len(calls), 500) for one in limiter.allow.each(calls[at : at + 500])]
            count = sum(decided(one).allowed for one in answers)
            assert count == expected, f"how many of {len(calls):,} keys a {limiter} admits with a cost of {cost}"


def come_and_go(limiter, clock, first, end, pauses=(30.75, 30.75)):
    """So many keys, 50 of them at a time, with some that stay, who come again after each pause of so many seconds."""
    for batch in range(first, end, 50):
        answers = limiter.allow.each([*REGULARS, *(long_key(number) for number in range(batch, batch + 50))])
        assert any(decided(one).allowed for one in answers), f"whether a {limiter} admits any of 54 keys that were idle"
        for seconds in pauses:
            clock.advance(seconds)
            limiter.allow.each(REGULARS)


def come_and_go_at_a_store(shared, store, clock, end, numbers):
    """Keys with these numbers, 50 of them in each second, after which their buckets are full again."""
    for batch in range(numbers.start, numbers.stop, 50):
        calls = [(long_key(number), 6) for number in range(batch, batch + 50)]
        if end == "failed":  # what is answered then is another requirement's question
            with store.failing(times=50):
                settle(shared.allow.start(*call) for call in calls)
        for allowed in {"admitted": (True,), "denied": (True, False), "failed": ()}[end]:
            answers = [decided(one).allowed for one in shared.allow.each(calls, at_once=True)]
            assert answers == [allowed] * 50, "whether fifty keys are admitted, which ask for all that they may have"
        clock.advance(1)


def long_key(number):
    """So long that keys which are held show."""
    return f"{number:08d}" * 512


# ---------------------------------------------------------------- round trips


@check("round-trips")
def test_a_decision_is_one_read_and_one_write(shared, store, clock):
    """A decision that nobody races, yes or no, of a new key or an old one, costs at most one of each."""
    for cost in (2, 4, 3, 1):
        store.forget()
        shared.allow("ada", cost)
        assert len(store.reads) <= 1, f"reads for a cost of {cost}"
        assert len(store.writes) <= 1, f"calls of compare_and_set for a cost of {cost}"
        clock.advance(1)


@check("round-trips")
def test_keys_do_not_wait_for_each_other(shared, store, clock):
    """150 keys that come at once are decided in the time of one, and none waits for a key that is slow."""
    with store.slow(seconds=2):
        answers = shared.allow.each([(f"key{number}", 2) for number in range(150)], at_once=True)
    assert answers == [admitted(4)] * 150, "the answers to 150 keys, each of which spends 2 of 6"
    assert clock.now <= 4, "the second at which they were decided; read and compare_and_set take 2 s each"
    with store.slow(seconds=2, keys={"ada"}):
        slow, begun = shared.allow.start("ada"), clock.now
        assert shared.allow("bob") == admitted(5)
        assert clock.now == begun, "the second at which bob was decided, while ada was asked for"
        slow.result()


@check("round-trips")
@pytest.mark.parametrize(("capacity", "rate"), [(6, 0.5), (3, 7.5), (20, 0.125)])
def test_the_store_forgets_what_comes_no_more(new_server, store, clock, capacity, rate):
    """A key is gone from the store, at the latest, two fillings and a second after its last call."""
    shared = new_server(capacity=capacity, rate=rate)
    shared.allow("ada", capacity)
    shared.allow("bob", 1)
    shared.allow("ada", 1)
    clock.advance(2 * capacity / rate + 1 + MOMENT)
    assert store.keys() == [], "the keys that the store still holds then"
