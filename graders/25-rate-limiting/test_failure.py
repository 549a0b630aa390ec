"""What the limiters do when clocks are set, callers race, servers are killed, and the store fails or hangs."""

import pytest
from hypothesis import strategies as st
from model import MOMENT, PRECISION, about, admitted, decided, drain, policy, wait_of

from kata.grading import check, examples, settle, together

# ---------------------------------------------------------------- wall clock


@check("wall-clock")
@pytest.mark.parametrize("step", [3600, -3600])
def test_the_wall_clock_is_not_asked(three, clock, step):
    """When the wall clock is set by an hour, each limiter still admits when it had said, not earlier and not later."""
    for limiter in three:
        wait = drain(limiter, clock, "ada", ask=3)
        clock.step_wall(step)
        assert wait_of(limiter.allow("ada", 3)) == about(wait), "retry_after, the wall clock having been set"
        clock.advance(wait - 2 * MOMENT)
        wait_of(limiter.allow("ada", 3))
        clock.advance(4 * MOMENT)
        assert decided(limiter.allow("ada", 3)).allowed is True, "whether cost 3 is admitted a moment after retry_after"


@check("wall-clock")
@pytest.mark.parametrize("step", [3600, -3600])
def test_nor_for_the_time_out(shared, store, clock, step):
    """A shared limiter waits for the store as long as ever when the wall clock is set meanwhile."""
    with store.slow(seconds=2):
        call = shared.allow.start("ada", 4)
        clock.advance(1)
        clock.step_wall(step)
        assert call.result() == admitted(2)
        assert clock.now == about(4), "the second at which a read and a compare_and_set of 2 s each were done"
    clock.advance(1)
    assert wait_of(shared.allow("ada", 6), remaining=4) == about(3), "retry_after, the wall clock having been set"


@check("wall-clock")
@pytest.mark.parametrize("step", [3600, -3600])
def test_nor_after_a_lost_race(new_server, store, clock, step):
    """When the wall clock is set in the midst of a race, whoever loses it looks again as ever."""
    servers = [new_server(name, rate=0.001, timeout=60) for name in ("a", "b", "c")]
    with store.slow(seconds=1):
        calls = [server.allow.start("ada", 2) for server in servers]
        clock.advance(1.5)
        clock.step_wall(step)
        answers = together(calls, read=decided)
    assert [answer.allowed for answer in answers] == [True] * 3, "whether the three are admitted, 2 of 6 for each"


@check("wall-clock", coverage=False)
def test_it_makes_nobody_forgotten(three, clock):
    """However many keys have spent all that they had, each of them is remembered when the wall clock is set."""
    keys = [f"key{number}" for number in range(2500)]
    for limiter in three:
        spend_all(limiter, keys[:1000], admissions=1000)
    clock.step_wall(3600)
    for limiter in three:
        spend_all(limiter, keys[1000:], admissions=1500)
        spend_all(limiter, keys[:1000], admissions=0)


def spend_all(limiter, keys, admissions):
    """Ask for each key's whole quota, which so many of them get."""
    answers = [
        one for at in range(0, len(keys), 500) for one in limiter.allow.each([(key, 5) for key in keys[at : at + 500]])
    ]
    count = sum(decided(one).allowed for one in answers)
    assert count == admissions, f"how many of {len(keys):,} keys a {limiter} admits with a cost of 5"


# ---------------------------------------------------------------- races


@check("races")
@pytest.mark.parametrize("delay", [0, 0.25])
def test_callers_race_at_one_server(new_server, store, delay):
    """Of thirty calls that come to one server at once, six are admitted when the quota is 6, and no other."""
    shared = new_server(timeout=60)
    with store.slow(seconds=delay):
        answers = together((shared.allow.start("ada") for _ in range(30)), read=decided)
    # While they wait for the store, at a rate of one in two seconds, some more can have flowed in.
    allowed = sum(answer.allowed for answer in answers)
    assert 6 <= allowed <= 6 + 30 * delay, "how many of the thirty were admitted"


@check("races")
def test_callers_race_at_many_servers(new_server):
    """Of forty calls at four servers at once, six are admitted when the quota is 6, and the others are denied."""
    servers = [new_server(name) for name in ("a", "b", "c", "d")]
    answers = together((server.allow.start("ada") for server in servers for _ in range(10)), read=decided)
    assert sum(answer.allowed for answer in answers) == 6, "how many of the forty were admitted"
    for answer in answers:
        if not answer.allowed:
            assert wait_of(answer, remaining=0) == about(2), "retry_after of one that was denied"


@check("races")
def test_nobody_is_denied_while_there_is_quota(new_server, store):
    """Three calls that race for a quota that is enough for all of them are all admitted."""
    servers = [new_server(name, rate=0.001) for name in ("a", "b", "c")]
    for key in ("ada", "bob", "cyd", "dan"):
        with store.slow(seconds=0.5):
            answers = together((server.allow.start(key, 2) for server in servers), read=decided)
        lefts = sorted(answer.remaining for answer in answers)
        assert [answer.allowed for answer in answers] == [True] * 3, "whether the three are admitted, 2 of 6 for each"
        assert lefts == [0, 2, 4], "what the three say that remains"


@check("races")
def test_who_loses_looks_again(new_server, store, clock):
    """A call that loses a hundred races, one after the other, is still admitted, for there is quota for it."""
    swift, unlucky = (new_server(name, capacity=200, rate=1e-6, timeout=1000) for name in ("a", "b"))
    with store.slow(seconds=1):
        winner = swift.allow.start("ada")
        clock.advance(0.5)
        loser = unlucky.allow.start("ada")
        for _ in range(100):  # each is done half a second before the other would be
            assert decided(winner.result()).allowed is True, "whether one of the hundred calls that win is admitted"
            winner = swift.allow.start("ada")
        answers = together([winner, loser], read=decided)
    assert [answer.allowed for answer in answers] == [True, True], "whether the loser and the last of those who won are"
    assert swift.allow("ada") == admitted(97), "200 less a hundred and one, the loser's one and this one"


@check("races")
def test_who_loses_goes_by_what_the_clock_says_then(new_server, store, clock):
    """Who loses a race decides anew by what the store's clock says then, and has no less time when that runs fast."""
    one, other = (new_server(name, rate=0.125) for name in ("a", "b"))
    one.allow("ada", 6)
    with store.clock_speed(8), store.slow(seconds=0.5):  # so a token flows in each second
        clock.advance(2.25)
        calls = [one.allow.start("ada")]
        clock.advance(0.25)
        calls.append(other.allow.start("ada", 2))
        answers = together(calls, read=decided)
    assert [answer.allowed for answer in answers] == [True, True], (
        "whether costs of 1 and 2 are admitted, for which there are tokens as soon as the one who loses looks again"
    )


@check("races")
@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5])
def test_a_server_is_killed(mortal_server, store, clock, moment):
    """When a server is killed in the midst of calls, no more than the quota is admitted, and the rest can be spent."""
    student, doomed = mortal_server("a", rate=0.001)
    _, other = mortal_server("b", rate=0.001)
    with store.slow(seconds=1):
        calls = [doomed.allow.start("ada") for _ in range(3)]
        clock.advance(moment)
        student.kill()
        clock.advance(3)
    answered = sum(call.done and call.error is None and decided(call.value).allowed for call in calls)
    later = [decided(other.allow("ada")).allowed for _ in range(8)]
    assert later == sorted(later, reverse=True), "whether each of eight calls afterwards is admitted"
    assert 3 <= sum(later) <= 6 - answered, f"how many of eight calls afterwards are admitted; {answered} were before"


STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from([1, 1, 2, 3, 4]), st.sampled_from([0, 0.1, 0.3])),
    min_size=12,
    max_size=12,
)


@check("races", coverage=False)
@examples(count=4, steps=STEPS)
def test_any_calls_that_overlap(begin_servers, clock, steps):
    """However calls overlap, what was admitted is within the quota, and what was denied would have exceeded it."""
    servers, store = begin_servers("a", "b", "c", rate=0.0001, timeout=60)
    by_name = dict(zip("abc", servers, strict=True))
    calls = []
    with store.slow(seconds=0.2):
        for name, cost, seconds in steps:
            calls.append((cost, by_name[name].allow.start("ada", cost)))
            clock.advance(seconds)
        settle(call for _, call in calls)
    expect_whole_quota((cost, decided(call.result()).allowed) for cost, call in calls)


@check("races")
def test_a_denial_is_one_call_s_own(new_server, store, clock):
    """Of calls that wait for one another, one that asks too much is denied, and those behind it are not for that."""
    shared = new_server(rate=0.0001, timeout=60)
    calls = []
    with store.slow(seconds=1):
        for cost in (2, 5, 1, 1):
            calls.append((cost, shared.allow.start("ada", cost)))
            clock.advance(0.125)
        settle(call for _, call in calls)
    expect_whole_quota((cost, decided(call.result()).allowed) for cost, call in calls)


def expect_whole_quota(results):
    """What was admitted (of costs, with whether they were) is within the quota, and all else would have exceeded it."""
    results = list(results)
    left = 6 - sum(cost for cost, allowed in results if allowed)
    assert left >= 0, "what is left of the quota of 6 by what was admitted"
    needless = [cost for cost, allowed in results if not allowed and cost <= left]
    assert needless == [], f"costs that were denied, though {left} of 6 were left even at the end"


# ---------------------------------------------------------------- store down


@check("store-down")
@pytest.mark.parametrize("fail_open", [True, False])
def test_the_policy_answers(new_server, store, clock, fail_open):
    """While the store is down, each call has the declared policy's answer, at once, having asked once."""
    shared = new_server(fail_open=fail_open)
    with store.down():
        for count, key in enumerate(("ada", "ada", "bob") * 4, 1):
            assert shared.allow(key, 2) == policy(fail_open)
            assert len(store.reads + store.writes) == count, "how often the store was asked, once for each call"
        answers = together(shared.allow.start("ada") for _ in range(10))
    assert answers == [policy(fail_open)] * 10, "the answers to ten calls at once"
    assert clock.now == about(0), "the second at which all of them had their answers"
    assert shared.allow("cyd", 2) == admitted(4)


@check("store-down")
@pytest.mark.parametrize("fail_open", [True, False])
def test_the_store_fails_half_way(new_server, store, clock, fail_open):
    """When the store answers the read, and fails the compare_and_set, the policy answers without asking again."""
    shared = new_server(fail_open=fail_open)
    with store.slow(seconds=1):
        call = shared.allow.start("ada", 2)
        clock.advance(0.5)
        with store.down():
            clock.advance(1)
        assert call.result() == policy(fail_open)
    assert clock.now == about(2), "the second at which the policy answered, the compare_and_set having failed then"
    assert (store.reads, store.writes) == (["ada"], ["ada"]), "what the store was asked"


@check("store-down")
def test_the_store_fails_after_a_lost_race(new_server, store, clock):
    """When the store fails while who has lost a race looks again, the policy answers without asking once more."""
    winner, loser = new_server("a"), new_server("b")
    with store.slow(seconds=1):
        won = winner.allow.start("ada", 2)
        clock.advance(0.5)
        lost = loser.allow.start("ada", 2)
        clock.advance(1.75)
        with store.down():
            assert lost.result() == policy(fail_open=False)
    assert won.result() == admitted(4)
    assert len(store.reads) <= 3, "how often the store was read: by the winner once, and by the loser twice"
    assert len(store.writes) <= 2, "how often compare_and_set was called, once by each"


@check("store-down")
@pytest.mark.parametrize("fail_open", [True, False])
def test_nothing_is_given_back(new_server, store, clock, fail_open):
    """When a compare_and_set fails, no quota is given back for it, for it may have been done or not."""
    shared = new_server(fail_open=fail_open, rate=0.001)
    assert shared.allow("ada", 5) == admitted(1)
    with store.slow(seconds=1):
        call = shared.allow.start("ada")
        clock.advance(0.5)
        with store.down():
            assert call.result() == policy(fail_open)
    answers = [decided(shared.allow("ada")) for _ in range(4)]
    assert sum(answer.allowed for answer in answers) <= 1, "how many of four calls are admitted afterwards, 1 of 6 left"


@check("store-down")
@pytest.mark.parametrize("fail_open", [True, False])
def test_all_is_as_before_when_the_store_is_back(new_server, store, fail_open):
    """The call after a failure asks the store again, and what the policy let in is not charged."""
    shared = new_server(fail_open=fail_open)
    assert shared.allow("ada", 2) == admitted(4)
    with store.failing(times=1):
        assert shared.allow("ada", 3) == policy(fail_open)
    assert shared.allow("ada", 4) == admitted(0)
    wait_of(shared.allow("ada"), remaining=0)


# ---------------------------------------------------------------- store slow


@check("store-slow")
@pytest.mark.parametrize("fail_open", [True, False])
def test_the_store_hangs(new_server, store, clock, fail_open):
    """When the store doesn't answer, the policy does, after 5 seconds; each next call asks the store again."""
    shared = new_server(fail_open=fail_open)
    keys = ("ada", "bob", "cyd", "dan", "eve", "fay")
    with store.slow(seconds=1000):
        for count, key in enumerate(keys, 1):
            assert shared.allow(key, 2) == policy(fail_open)
            assert clock.now == about(5 * count), f"the second at which the policy answered call {count}"
            assert len(store.reads) == count, f"how often the store was read, call {count} included"
    for key in (*keys, "gus"):
        assert shared.allow(key, 2) == admitted(4)


@check("store-slow")
def test_each_call_has_its_own_time(new_server, store, clock):
    """Of calls of one key that come 2 seconds apart while the store hangs, each has its answer after 5 seconds."""
    shared = new_server(fail_open=True)
    calls = []
    with store.slow(seconds=1000):
        for _ in range(4):
            calls.append(shared.allow.start("ada", 2))
            clock.advance(2)
        answers = together(calls)
    assert answers == [policy(fail_open=True)] * 4, "the answers to the four"
    assert [call.seconds for call in calls] == [about(5)] * 4, "after how many seconds each had its answer"


@check("store-slow")
def test_the_store_is_asked_when_it_is_well_again(shared, store, clock):
    """The call after one that timed out asks the store, though others that came in between may still be waiting."""
    with store.slow(seconds=1000):
        first = shared.allow.start("ada")
        clock.advance(3)
        shared.allow.start("ada")
        clock.advance(0.5)
    assert first.result() == policy(fail_open=False)
    clock.advance(0.5)
    assert decided(shared.allow("ada")).allowed is True, "whether a call is admitted 2 s after the store was well"


@check("store-slow")
def test_nothing_is_asked_after_the_policy(shared, store, clock):
    """When a read takes longer than the call has, the policy has answered, and no compare_and_set comes after it."""
    with store.slow(seconds=6):
        assert shared.allow("ada", 2) == policy(fail_open=False)
        clock.advance(10)
    assert store.writes == [], "the keys that compare_and_set was asked for after the policy had answered"
    assert shared.allow("ada", 6) == admitted(0)


@check("store-slow")
def test_all_the_time_counts(shared, store, clock):
    """A read of 3 seconds and a compare_and_set of 3 seconds are together more than 5."""
    with store.slow(seconds=3):
        assert shared.allow("ada", 2) == policy(fail_open=False)
    assert clock.now == about(5), "the second at which the policy answered"


@check("store-slow")
def test_time_that_was_lost_in_a_race_counts(new_server, store):
    """Who loses a race in its fourth second has one second left, and then the policy answers."""
    servers = [new_server(name) for name in ("a", "b", "c")]
    with store.slow(seconds=2):
        calls = [server.allow.start("ada", 2) for server in servers]
        together(calls)
    assert sorted(call.seconds for call in calls) == [about(4), about(5), about(5)], (
        "after how many seconds the three had their answers"
    )
    answers = [call.value for call in calls]
    assert answers.count(admitted(4)) == 1, "how many of the three were admitted by the store"
    assert answers.count(policy(fail_open=False)) == 2, "how many of the three the policy answered"


@check("store-slow")
def test_nobody_waits_longer_in_a_queue(new_server, store):
    """Of ten calls of one key that come at once, each has an answer after 5 seconds at most."""
    shared = new_server(fail_open=True)
    with store.slow(seconds=2):
        calls = settle([shared.allow.start("ada") for _ in range(10)])
    assert max(call.seconds for call in calls) <= 5 + PRECISION, (
        "after how many seconds the last of them had its answer"
    )
    assert [decided(call.result()).allowed for call in calls] == [True] * 10, "whether the policy lets in the others"
