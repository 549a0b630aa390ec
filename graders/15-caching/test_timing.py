"""What the cache costs: reads of the store, virtual seconds, and how work grows."""

from itertools import count, islice

import pytest

from kata.grading import check, growth, together


@check("single-flight")
def test_a_hundred_misses_load_once(cache, store):
    """A hundred concurrent misses of one key cost one read of the store."""
    with store.slow(seconds=2):
        answers = together(cache.get.start("ada") for _ in range(100))
    assert answers == [b"v1"] * 100, "the hundred answers"
    assert store.reads == ["ada"], "the reads of the store"


@check("single-flight")
def test_late_comers_join_the_load(cache, store, clock):
    """A get that begins while a load is under way joins it, and has its answer when it arrives."""
    calls = []
    with store.slow(seconds=4):
        for _ in range(3):
            calls.append(cache.get.start("ada"))
            clock.advance(1)
    assert together(calls) == [b"v1"] * 3, "the three answers"
    assert clock.now == 4, "the second at which the last of them had its answer"
    assert store.reads == ["ada"], "the reads of the store"


@check("single-flight")
@pytest.mark.parametrize("seconds", [50, 80])
def test_an_expired_key_is_loaded_once(new_cache, store, clock, seconds):
    """Fifty concurrent gets of a key whose TTL is over cost one read, in its grace and after it."""
    cache = new_cache(ttl=45, grace=30)
    cache.get("ada")
    store["ada"] = b"v2"
    clock.advance(seconds)
    with store.slow(seconds=2):
        answers = together(cache.get.start("ada") for _ in range(50))
    assert answers == [b"v2"] * 50, "the fifty answers"
    assert store.reads == ["ada", "ada"], "the reads of the store"


@check("single-flight")
def test_a_reload_is_shared_when_its_old_value_has_gone(new_cache, store, clock):
    """A get joins the reload of its key also when the old value was evicted meanwhile."""
    cache = new_cache(capacity=1)
    cache.get("ada")
    clock.advance(50)
    with store.slow(seconds=5, keys={"ada"}):
        calls = [cache.get.start("ada")]
        clock.advance(1)
        cache.get("bob")
        calls.append(cache.get.start("ada"))
        assert together(calls) == [b"v1"] * 2, "the two answers"
    assert store.reads == ["ada", "ada", "bob"], "the reads of the store"


@check("single-flight")
def test_a_missing_key_is_looked_up_once(cache, store):
    """Concurrent gets of a key that the store doesn't have cost one read."""
    with store.slow(seconds=2):
        answers = together(cache.get.start("dan") for _ in range(20))
    assert answers == [None] * 20, "the twenty answers"
    assert store.reads == ["dan"], "the reads of the store"


@check("side-by-side")
def test_loads_run_side_by_side(cache, store, clock):
    """Twenty loads of different keys take as long as one."""
    keys = [f"k{number}" for number in range(20)]
    with store.slow(seconds=3):
        together(cache.get.start(key) for key in keys)
    assert clock.now == 3, "the second at which twenty loads of 3 s each were done"


@check("side-by-side")
def test_a_hit_waits_for_no_load(cache, store, clock):
    """A hit takes no time while another key is loading."""
    cache.get("bob")
    with store.slow(seconds=30):
        cache.get.start("ada")
        clock.advance(1)
        assert cache.get("bob") == b"w1"
    assert clock.now == 1, "the second at which the hit was answered, while a load ran from 0 to 30"


@check("side-by-side")
def test_a_put_delays_no_other_key(cache, store, clock):
    """While one key is written, another is loaded, written and dropped without delay."""
    with store.slow(seconds=30, keys={"ada"}):
        cache.put.start("ada", b"v2")
        clock.advance(1)
    assert cache.get("bob") == b"w1"
    cache.put("cyd", b"x2")
    cache.invalidate("bob")
    assert clock.now == 1, "the second at which all was done, while a put ran from 0 to 30"


@check("flat-cost", coverage=False)
def test_work_is_the_same_in_a_big_cache(full_caches):
    """Hits and evictions cost the same CPU time whether 32 keys are held or 2,048."""
    strangers = (f"stranger{number}" for number in count())

    def work(size, keys, reads, **how):
        student, cache, store, _ = full_caches[size]
        store.forget()
        with student.cpu() as used:
            cache.get.each(keys, **how)
        assert len(store.reads) == reads, f"how many of {len(keys)} gets asked the store"
        return used.seconds

    def hits(size):
        return work(size, (full_caches[size][3] * 60)[::7][:200], reads=0)

    def evictions(size):
        return work(size, list(islice(strangers, 100)), reads=100, at_once=True)

    growth(hits, sizes=list(full_caches), at_most=0.25, what="The work of 200 hits", calls=200)
    growth(evictions, sizes=list(full_caches), at_most=0.25, what="The work of 100 evictions", calls=100)
