"""What the limiters answer: the contract that all of them share, and what is each one's own."""

import pytest
from model import (
    MOMENT,
    Between,
    FixedWindowModel,
    SlidingWindowModel,
    TokenBucketModel,
    about,
    admitted,
    decided,
    denied,
    drain,
    play,
    steps,
    wait_of,
)

from kata.grading import check, examples, raises

WAITS = [0, 0, 0.25, 0.75, 3, 4, 7.5, 13, 21.25, 31]
COSTS = [1, 1, 1, 2, 3, 5, 6]
LOOKALIKES = ("Ada", "ada ", "", "ada" * 40, "ada" * 40 + "!", "Zo\u00eb", "Zoe\u0308")
"""Keys that are easily taken for one another, or for "ada"; the last two look the same."""

# ---------------------------------------------------------------- quota


@check("quota")
def test_a_quota_may_be_spent_at_once(three):
    """Calls that cost 2, 1 and 2 spend a quota of 5 at one moment, and one more is denied."""
    for limiter in three:
        assert limiter.allow("ada", 2) == admitted(3)
        assert limiter.allow("ada") == admitted(2)
        assert limiter.allow("ada", 2) == admitted(0)
        wait_of(limiter.allow("ada"), remaining=0)


@check("quota")
def test_a_quota_may_be_spent_by_ones(three):
    """Five calls of cost 1 are admitted at one moment, and the sixth is not."""
    for limiter in three:
        answers = [limiter.allow("ada") for _ in range(5)]
        assert answers == [admitted(left) for left in (4, 3, 2, 1, 0)], "the answers to five calls of a quota of 5"
        wait_of(limiter.allow("ada"), remaining=0)


@check("quota")
def test_keys_are_apart(three):
    """What one key spends takes nothing from another, though they differ only by case, a blank, an accent or an end."""
    for limiter in three:
        limiter.allow("ada", 5)
        for key in ("bob", *LOOKALIKES):
            assert limiter.allow(key, 4) == admitted(1)
        wait_of(limiter.allow("ada"), remaining=0)
        assert limiter.allow("bob") == admitted(0)


@check("quota")
def test_limiters_are_apart(student):
    """Two limiters in one program have a quota each, of whatever size they were made with."""
    for kind, pace in ((student.FixedWindow, 60), (student.SlidingWindow, 60), (student.TokenBucket, 1 / 60)):
        small, large = kind(1, pace), kind(1000, pace)
        assert small.allow("ada") == admitted(0)
        assert large.allow("ada", 999) == admitted(1)
        wait_of(small.allow("ada"), remaining=0)
        assert large.allow("ada") == admitted(0)


# ---------------------------------------------------------------- denied


@check("denied")
def test_a_denied_call_spends_nothing(three):
    """After a call that asked for more than was left, what was left can be spent."""
    for limiter in three:
        limiter.allow("ada", 3)
        for cost in (3, 5, 3):
            wait_of(limiter.allow("ada", cost), remaining=2)
        assert limiter.allow("ada", 2) == admitted(0)


@check("denied")
def test_asking_in_vain_delays_nothing(three, clock):
    """Who asks in vain again and again has the whole quota back as soon as who has waited, and not one more."""
    for limiter in three:
        limiter.allow("ada", 5)
    for _ in range(6):
        clock.advance(5)
        for limiter in three:
            limiter.allow("ada", 6)
            limiter.allow("bob", 6)
    clock.advance(MOMENT)
    for limiter in three:
        for key in ("ada", "bob"):
            assert limiter.allow(key, 6) == denied(5, None)
            assert limiter.allow(key, 5) == admitted(0)
            wait_of(limiter.allow(key), remaining=0)


@check("denied")
def test_a_cost_above_the_limit_is_denied_for_good(three, shared, store):
    """A cost above the limit is denied with None, whatever was spent; a shared limiter need not ask for that."""
    for limiter in three:
        assert limiter.allow("ada", 6) == denied(5, None)
        limiter.allow("ada", 2)
        assert limiter.allow("ada", 1000) == denied(3, None)
        assert limiter.allow("ada", 3) == admitted(0)
    assert shared.allow("ada", 7) == denied(0, None)
    assert (store.reads, store.writes) == ([], []), "what the store was asked for a cost of 7, of 6"


@check("denied")
def test_a_cost_below_one_is_refused(three, shared, store):
    """A cost of 0 or less raises ValueError and changes nothing; a shared limiter asks the store nothing."""
    for limiter in three:
        limiter.allow("ada", 4)
    for limiter in (*three, shared):
        for cost in (0, -1, -5):
            with raises("ValueError"):
                limiter.allow("ada", cost)
    for limiter in three:
        assert limiter.allow("ada") == admitted(0)
    assert (store.reads, store.writes) == ([], []), "what the store was asked for costs below 1"


# ---------------------------------------------------------------- retry after


@check("retry-after")
def test_who_waits_as_told_is_admitted(three, clock):
    """A call of cost 3 that was told how long to wait is denied a moment before that, and admitted a moment after."""
    for limiter in three:
        wait = drain(limiter, clock, "ada", ask=3)
        clock.advance(wait * 0.4)
        rest = wait_of(limiter.allow("ada", 3))
        assert rest == about(wait * 0.6), f"retry_after for cost 3, {wait * 0.4:g} s after it was {wait:g} s"
        clock.advance(rest - 2 * MOMENT)
        wait_of(limiter.allow("ada", 3))
        clock.advance(4 * MOMENT)
        assert decided(limiter.allow("ada", 3)).allowed is True, "whether cost 3 is admitted a moment after retry_after"


@check("retry-after")
def test_the_wait_depends_on_the_cost(sliding, bucket, clock):
    """A call that costs more waits longer, until enough was given back for it and no longer."""
    for spent, seconds in ((2, 10), (3, 2)):
        sliding.allow("ada", spent)
        clock.advance(seconds)
    for cost, wait in ((1, 18), (2, 18), (3, 28), (5, 28)):
        assert sliding.allow("ada", cost) == denied(0, wait), "2 were spent 12 s ago and 3 were spent 2 s ago"
    bucket.allow("ada", 5)
    clock.advance(6)
    for cost, wait in ((2, 2), (3, 6), (5, 14)):
        assert bucket.allow("ada", cost) == denied(1, wait), "a bucket that was emptied 6 s ago has one and a half"


# ---------------------------------------------------------------- fixed window


@check("fixed-window")
def test_the_whole_quota_is_back_at_the_edge(fixed, clock):
    """At the end of a window all of its quota comes back at once, whenever in the window it was spent."""
    clock.advance(drain(fixed, clock, "ada") + 2 * MOMENT)
    fixed.allow("ada", 2)
    clock.advance(12)
    fixed.allow("ada", 3)
    wait = wait_of(fixed.allow("ada"), remaining=0)
    assert wait == Between(18 - 3 * MOMENT, 18), "retry_after, 12 s after a window of 30 s had begun"
    clock.advance(wait + 2 * MOMENT)
    assert fixed.allow("ada", 5) == admitted(0)


@check("fixed-window")
def test_two_quotas_around_an_edge(fixed, clock):
    """Just before the end of a window the rest of its quota can be spent, and just after it another whole one."""
    clock.advance(drain(fixed, clock, "ada") + 2 * MOMENT)
    assert fixed.allow("ada") == admitted(4)
    clock.advance(30 - 8 * MOMENT)
    assert fixed.allow("ada", 4) == admitted(0)
    wait_of(fixed.allow("ada"), remaining=0)
    clock.advance(12 * MOMENT)
    assert fixed.allow("ada", 5) == admitted(0)


@check("fixed-window")
def test_a_window_lasts_its_seconds(student, clock):
    """Windows of three quarters of a second and of a day last just that."""
    for seconds in (0.75, 86_400):
        fixed = student.FixedWindow(3, seconds)
        clock.advance(drain(fixed, clock, "ada", quota=3) + 2 * MOMENT)
        fixed.allow("ada", 3)
        clock.advance(seconds - 8 * MOMENT)
        wait_of(fixed.allow("ada"), remaining=0)
        clock.advance(12 * MOMENT)
        assert fixed.allow("ada", 3) == admitted(0)


@check("fixed-window")
def test_idle_windows_do_not_add_up(fixed, clock):
    """After an hour in which nobody came, one quota can be spent, and not one for each window that has passed."""
    fixed.allow("ada", 5)
    clock.advance(3600)
    assert drain(fixed, clock, "ada") <= 30 + MOMENT, "retry_after, when the quota of a window of 30 s was spent"


@check("fixed-window", coverage=False)
@examples(count=5, steps=steps(WAITS, COSTS))
def test_any_calls_of_a_fixed_window(begin, clock, steps):
    """Whatever is asked when, each answer is one that some choice of windows gives."""
    fixed = begin("fixed")
    play([fixed], FixedWindowModel(5, 30), clock, steps)


# ---------------------------------------------------------------- sliding window


@check("sliding-window")
def test_there_is_no_edge(sliding, clock):
    """Spending at the end of one half minute and at the beginning of the next takes from one quota."""
    clock.advance(17)
    sliding.allow("ada", 3)
    for seconds, remaining in ((9, 2), (9, 2), (9, 2)):
        clock.advance(seconds)
        wait_of(sliding.allow("ada", 3), remaining)
    assert sliding.allow("ada", 2) == admitted(0)
    clock.advance(3 + MOMENT)
    assert sliding.allow("ada", 3) == admitted(0)


@check("sliding-window")
def test_each_comes_back_after_its_own_time(sliding, clock):
    """Each call that was admitted counts for 30 seconds, and not for longer."""
    for _ in range(5):
        assert decided(sliding.allow("ada")).allowed is True, "whether one of the first five, 6 s apart, is admitted"
        clock.advance(6)
    for _ in range(5):
        clock.advance(MOMENT)
        assert sliding.allow("ada") == admitted(0)
        assert sliding.allow("ada") == denied(0, Between(6 - MOMENT, 6))
        clock.advance(6 - MOMENT)


@check("sliding-window")
def test_calls_a_moment_apart_are_two(sliding, clock):
    """Of two calls that came 30 ms apart, weeks after the start, the first comes back 30 ms earlier."""
    clock.advance(2_000_000)
    sliding.allow("ada", 3)
    clock.advance(2 * MOMENT)
    sliding.allow("ada", 2)
    assert sliding.allow("ada", 3) == denied(0, 30 - 2 * MOMENT)
    assert sliding.allow("ada", 4) == denied(0, 30)
    clock.advance(30 - MOMENT)
    assert sliding.allow("ada", 3) == admitted(0)


@check("sliding-window")
def test_hundreds_of_calls_are_counted(student, clock):
    """A quota of 600 that was spent one by one, a hundred in each 5 seconds, comes back in hundreds."""
    sliding = student.SlidingWindow(limit=600, window=30)
    for calls in [100] * 6 + [110] * 6:
        answers = sliding.allow.each(["ada"] * calls)
        assert sum(decided(one).allowed for one in answers) == 100, f"how many of {calls} calls are admitted"
        clock.advance(5 + MOMENT)


@check("sliding-window", coverage=False)
def test_what_was_spent_last_outlasts_what_was_spent_first(sliding, clock):
    """A key that was first admitted 31 seconds ago is not new while what it spent later still counts."""
    sliding.allow("ada")
    clock.advance(29)
    sliding.allow("ada", 4)
    clock.advance(2)
    assert crowd(sliding) == [admitted(4)] * 1200, "the answers to a call of each of 1,200 other keys"
    assert sliding.allow("ada", 5) == denied(1, 28)
    assert sliding.allow("ada") == admitted(0)


@check("sliding-window")
def test_it_is_no_estimate(sliding, clock):
    """Nothing comes back little by little: what was spent at one moment counts in full until 30 seconds later."""
    clock.advance(29)
    sliding.allow("ada", 5)
    for seconds in (10, 10, 9):
        clock.advance(seconds)
        wait_of(sliding.allow("ada"), remaining=0)
    clock.advance(1 + MOMENT)
    assert sliding.allow("ada", 5) == admitted(0)


@check("sliding-window", coverage=False)
@examples(count=5, steps=steps(WAITS, COSTS))
def test_any_calls_of_a_sliding_window(begin, clock, steps):
    """Whatever is asked when, a call is admitted exactly if the last 30 seconds leave room for it."""
    sliding = begin("sliding")
    play([sliding], SlidingWindowModel(5, 30), clock, steps)


# ---------------------------------------------------------------- token bucket


@check("token-bucket")
def test_it_fills_at_its_rate(bucket, clock):
    """An empty bucket that gains a token in 4 seconds has one after 4 seconds, and three after 12."""
    bucket.allow("ada", 5)
    clock.advance(4 - MOMENT)
    assert bucket.allow("ada") == denied(0, MOMENT)
    clock.advance(2 * MOMENT)
    assert bucket.allow("ada") == admitted(0)
    clock.advance(12)
    assert bucket.allow("ada", 3) == admitted(0)


@check("token-bucket")
def test_asking_often_loses_no_fraction(bucket, clock):
    """Who asks every 0.75 s gets tokens as fast as who waits, though each time there is only part of one."""
    bucket.allow("ada", 5)
    admissions = 0
    for _ in range(64):
        clock.advance(0.75)
        admissions += decided(bucket.allow("ada")).allowed
    assert admissions in (11, 12), "how many of 64 calls in 48 s were admitted, in which 12 tokens flow in"


@check("token-bucket")
def test_asking_often_loses_no_small_fraction(student, clock):
    """Who asks each second and a half, of a bucket that gains a token an hour, is told to wait that much less."""
    bucket = student.TokenBucket(capacity=5, rate=1 / 3600)
    bucket.allow("ada", 5)
    for count in range(1, 21):
        clock.advance(1.5)
        assert bucket.allow("ada") == denied(0, 3600 - 1.5 * count)


@check("token-bucket")
def test_taking_leaves_the_fraction(bucket, clock):
    """When one is taken of one and a half, the half counts for what comes next."""
    bucket.allow("ada", 5)
    clock.advance(6)
    assert bucket.allow("ada") == admitted(0)
    assert bucket.allow("ada") == denied(0, 2)
    clock.advance(2 + MOMENT)
    assert bucket.allow("ada") == admitted(0)


@check("token-bucket")
def test_it_holds_no_more_than_its_capacity(bucket, clock):
    """After an hour a bucket of 5 holds 5, whether it was full before, or half empty, or new."""
    bucket.allow("ada", 2)
    clock.advance(3600)
    assert bucket.allow("ada", 5) == admitted(0)
    assert bucket.allow("ada") == denied(0, 4)
    assert bucket.allow("bob", 4) == admitted(1)
    clock.advance(19)
    assert bucket.allow("bob", 5) == admitted(0)
    assert bucket.allow("bob", 5) == denied(0, 20)


@check("token-bucket", coverage=False)
def test_a_bucket_that_is_nearly_full_is_not_full(bucket, clock):
    """A bucket that lacks a quarter of a token lacks it also when many other keys have come."""
    bucket.allow("ada", 5)
    clock.advance(19)
    assert crowd(bucket) == [admitted(4)] * 1200, "the answers to a call of each of 1,200 other keys"
    assert bucket.allow("ada", 5) == denied(4, 1)
    clock.advance(1 + MOMENT)
    assert bucket.allow("ada", 5) == admitted(0)


def crowd(limiter):
    """A call of each of so many keys as make a limiter look for those that it may drop."""
    return limiter.allow.each([f"key{number}" for number in range(1200)])


@check("token-bucket", coverage=False)
@examples(count=5, steps=steps(WAITS, COSTS))
def test_any_calls_of_a_token_bucket(begin, clock, steps):
    """Whatever is asked when, a call is admitted exactly if the bucket holds enough by then."""
    bucket = begin("bucket")
    play([bucket], TokenBucketModel(5, 0.25), clock, steps)


# ---------------------------------------------------------------- shared


@check("shared")
def test_servers_have_one_limit_together(new_server, clock):
    """What is spent at one server is missing at the others, also at one that starts later."""
    one, other = new_server("a"), new_server("b")
    assert one.allow("ada", 4) == admitted(2)
    assert other.allow("ada", 3) == denied(2, 2)
    assert other.allow("ada", 2) == admitted(0)
    assert other.allow("bob", 6) == admitted(0)
    clock.advance(3)
    late = new_server("c")
    assert late.allow("ada", 2) == denied(1, 1)
    assert late.allow("ada") == admitted(0)
    assert one.allow("ada") == denied(0, 1)


@check("shared")
def test_keys_are_apart_in_the_store(shared, store):
    """Each key has a bucket of its own, which is kept under that very key."""
    for key in ("ada", *LOOKALIKES):
        assert shared.allow(key, 6) == admitted(0)
    assert store.keys() == sorted(["ada", *LOOKALIKES]), "the keys that the store holds"


@check("shared")
@pytest.mark.parametrize("factor", [0.25, 4])
def test_it_fills_by_the_store_s_clock(new_server, store, clock, factor):
    """While the store's clock runs slower or faster than the servers', so does the filling of a shared bucket."""
    one, other = new_server("a"), new_server("b")
    one.allow("ada", 6)
    with store.clock_speed(factor):
        clock.advance(8.5)
        held = int(8.5 * factor * 0.5)
        assert other.allow("ada", min(held, 6)) == admitted(0)
        wait = wait_of(one.allow("ada"), remaining=0)
        clock.advance(wait / factor - 2 * MOMENT)
        wait_of(one.allow("ada"), remaining=0)
        clock.advance(4 * MOMENT)
        assert one.allow("ada") == admitted(0)


@check("shared")
def test_a_debt_is_not_forgotten(new_server, clock):
    """A bucket that isn't full again is never taken for a full one, however long it was left alone."""
    shared = new_server(rate=0.3125)  # a token in 3.2 s: neither a debt nor its rounding is a number of seconds
    for key, spent, seconds in (("ada", 6, 19.1), ("bob", 3, 9.5), ("cyd", 1, 3.1)):
        shared.allow(key, spent)
        clock.advance(seconds)
        assert shared.allow(key, 6) == denied(5, 0.1), f"{spent} of 6 were spent {seconds} s ago, and 0.1 s is missing"
        clock.advance(0.1 + MOMENT)
        assert shared.allow(key, 6) == admitted(0)


@check("shared")
def test_a_debt_of_hours_is_not_forgotten(new_server, clock):
    """A bucket that gains a token an hour is not taken for a full one after two days and a half."""
    shared = new_server(capacity=60, rate=1 / 3600)
    shared.allow("ada", 60)
    clock.advance(59.5 * 3600)
    assert shared.allow("ada", 60) == denied(59, 1800), "60 tokens were spent 59.5 h ago, and one flows in each hour"
    clock.advance(1800 + MOMENT)
    assert shared.allow("ada", 60) == admitted(0)


@check("shared")
def test_a_small_fraction_is_kept(new_server, clock):
    """What is left of a token that took an hour and 17 seconds counts for the next one, which takes 17 seconds less."""
    shared = new_server(rate=1 / 3600)
    shared.allow("ada", 6)
    clock.advance(3617)
    assert shared.allow("ada") == admitted(0)
    assert shared.allow("ada") == denied(0, 3583)


@check("shared", coverage=False)
@examples(count=4, steps=steps(WAITS, [*COSTS, 4], length=24))
def test_any_calls_at_two_servers(begin_servers, clock, steps):
    """Whatever is asked when, now at one server and now at the other, the answers are those of one bucket."""
    servers, _ = begin_servers("a", "b")
    play(servers, TokenBucketModel(6, 0.5), clock, [(wait, key, min(cost, 6)) for wait, key, cost in steps])
