"""What the limiters cost: CPU time, memory, and what is asked of the store."""

import pytest
from model import MOMENT, admitted, decided

from kata.grading import check, growth, together

MIB = 1024 * 1024


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
    """When 3,200 keys have come and gone beside one that stays, a limiter uses no more memory than when 1,200 had."""
    for student, limiter in new_limiters():
        come_and_go(limiter, clock, 0, 1200)
        before = student.memory()
        come_and_go(limiter, clock, 1200, 3200)
        grown = (student.memory() - before) / MIB
        # The 1,150 keys that it may keep take 5 MiB, the 2,000 that came and went take 8.
        assert grown < 6.5, f"by how many MiB the memory of a {limiter} has grown meanwhile; a key has 4 KiB"


@check("idle-keys", coverage=False)
def test_a_shared_limiter_drops_them_too(mortal_server, clock):
    """When 2,000 keys have come and gone, a shared limiter uses no more memory: all that is known is in the store."""
    student, shared = mortal_server("", rate=600)
    come_and_go_at_a_store(shared, clock, 0, 100)
    before = student.memory()
    come_and_go_at_a_store(shared, clock, 100, 2100)
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
    keys = [f"key{number}" for number in range(2500)]
    for _, limiter in new_limiters():
        for calls in ([(key, 3) for key in keys], [(key, 1) for key in keys]):
            answers = [one for at in range(0, 2500, 500) for one in limiter.allow.each(calls[at : at + 500])]
            count = sum(decided(one).allowed for one in answers)
            expected = 2500 if calls[0][1] == 3 else 0
            assert count == expected, f"how many of 2,500 keys a {limiter} admits with a cost of {calls[0][1]}"


def come_and_go(limiter, clock, first, end):
    """So many keys, 50 of them in each minute, and one that comes three times a minute."""
    for batch in range(first, end, 50):
        answers = limiter.allow.each(["regular", *(long_key(number) for number in range(batch, batch + 50))])
        assert any(decided(one).allowed for one in answers), f"whether a {limiter} admits any of 51 keys that were idle"
        for _ in range(3):
            clock.advance(20.5)
            limiter.allow("regular")


def come_and_go_at_a_store(shared, clock, first, end):
    """So many keys, 50 of them in each second, after which their buckets are full again."""
    for batch in range(first, end, 50):
        answers = together(shared.allow.start(long_key(number)) for number in range(batch, batch + 50))
        assert answers == [admitted(5)] * 50, "the answers to fifty new keys, each of which spends 1 of 6"
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
    """Twenty keys that come at once are decided in the time of one, and none waits for a key that is slow."""
    with store.slow(seconds=2):
        answers = together(shared.allow.start(f"key{number}", 2) for number in range(20))
    assert answers == [admitted(4)] * 20, "the answers to twenty keys, each of which spends 2 of 6"
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
