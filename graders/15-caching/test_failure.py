"""What the cache does when the store fails, a caller leaves, or the clock is set."""

from kata.grading import check, raises, settle, together


@check("errors")
def test_an_error_reaches_every_waiter(cache, store):
    """A read that fails costs one read, and its error reaches everyone who waited for it."""
    with store.slow(seconds=2), store.down():
        calls = settle(cache.get.start("ada") for _ in range(30))
    assert [failed_with(call) for call in calls] == ["ConnectionError"] * 30, "what the thirty gets raised"
    assert store.reads == ["ada"], "the reads of the store"


@check("errors")
def test_an_error_is_not_kept(cache, store):
    """After a read that failed, the next get asks the store again, and holds its answer."""
    with store.failing(times=1), raises("ConnectionError"):
        cache.get("ada")
    assert cache.get("ada") == b"v1"
    assert cache.get("ada") == b"v1"
    assert store.reads == ["ada", "ada"], "the reads of the store"


@check("errors")
def test_an_error_is_of_one_key_alone(cache, store):
    """A read that fails leaves other keys alone, those that are held and those that are loading."""
    cache.get("cyd")
    with store.slow(seconds=2), store.failing(times=1, keys={"ada"}):
        ada, bob = settle([cache.get.start("ada"), cache.get.start("bob")])
    assert failed_with(ada) == "ConnectionError", "what the get of 'ada' raised"
    assert bob.result() == b"w1"
    assert cache.get("cyd") == b"x1"


@check("cancelled")
def test_the_first_of_many_is_cancelled(cache, store, clock):
    """When the get that began a load is cancelled, all others that wait for the key get the answer."""
    with store.slow(seconds=4):
        first = cache.get.start("ada")
        clock.advance(1)
        others = [cache.get.start("ada") for _ in range(10)]
        clock.advance(1)
        first.cancel()
        assert together(others) == [b"v1"] * 10, "the answers of the ten that stayed"
    assert cache.get("ada") == b"v1"
    assert len(store.reads) <= 2, "the number of reads of the store"


@check("cancelled")
def test_one_that_joined_is_cancelled(cache, store, clock):
    """When a get that had joined a load is cancelled, the load goes on for the others."""
    with store.slow(seconds=4):
        first = cache.get.start("ada")
        clock.advance(1)
        others = [cache.get.start("ada") for _ in range(3)]
        clock.advance(1)
        others.pop(1).cancel()
        assert together([first, *others]) == [b"v1"] * 3, "the answers of the three that stayed"
    assert len(store.reads) <= 2, "the number of reads of the store"


@check("cancelled")
def test_all_are_cancelled(cache, store, clock):
    """When all that waited for a key are cancelled, the key can be read and held as before."""
    with store.slow(seconds=4):
        calls = [cache.get.start("ada") for _ in range(3)]
        clock.advance(1)
        for call in calls:
            call.cancel()
    assert cache.get("ada") == b"v1"
    clock.advance(10)
    store.forget()
    assert cache.get("ada") == b"v1"
    assert store.reads == [], "the reads of the store for a key that is held"


@check("grace")
def test_a_stale_value_is_served_in_its_grace(new_cache, store, clock):
    """While the store is down, a value is served until its age is the TTL and the grace; then get raises."""
    cache = new_cache(ttl=45, grace=120)
    cache.get("ada")
    with store.down():
        clock.advance(45)
        assert cache.get("ada") == b"v1"
        clock.advance(119.5)
        assert cache.get("ada") == b"v1"
        clock.advance(0.5)
        with raises("ConnectionError"):
            cache.get("ada")


@check("grace")
def test_serving_a_stale_value_does_not_renew_it(new_cache, store, clock):
    """Having served a stale value, the cache asks the store again, and gives what it has when it is back."""
    cache = new_cache(ttl=45, grace=120)
    cache.get("ada")
    store["ada"] = b"v2"
    clock.advance(50)
    with store.down():
        assert cache.get("ada") == b"v1"
        assert cache.get("ada") == b"v1"
    assert store.reads == ["ada"] * 3, "the reads of the store: one at first, one for each stale answer"
    assert cache.get("ada") == b"v2"


@check("grace")
def test_a_missing_key_has_its_grace(new_cache, store, clock):
    """The answer that there is no such key is served in its grace like any other, and so is an empty value."""
    store["ada"] = b""
    cache = new_cache(ttl=45, grace=120)
    cache.get("dan")
    cache.get("ada")
    clock.advance(60)
    with store.down():
        assert cache.get("dan") is None
        assert cache.get("ada") == b""


@check("grace")
def test_all_who_wait_share_the_stale_value(new_cache, store, clock):
    """Twenty concurrent gets of a stale value cost one read that fails, and all are given the value."""
    cache = new_cache(ttl=45, grace=120)
    cache.get("ada")
    clock.advance(60)
    with store.slow(seconds=2), store.down():
        answers = together(cache.get.start("ada") for _ in range(20))
    assert answers == [b"v1"] * 20, "the twenty answers"
    assert store.reads == ["ada", "ada"], "the reads of the store"


@check("grace")
def test_without_grace_nothing_stale_is_served(new_cache, store, clock):
    """With no grace, which is the default, get raises the store's error from the TTL on."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    clock.advance(45)
    with store.down(), raises("ConnectionError"):
        cache.get("ada")


@check("grace")
def test_an_invalidated_value_has_no_grace(new_cache, store):
    """A value that was invalidated is not served when the store is down."""
    cache = new_cache(grace=120)
    cache.get("ada")
    cache.invalidate("ada")
    with store.down(), raises("ConnectionError"):
        cache.get("ada")


@check("grace")
def test_it_is_gone_also_while_it_is_reloaded(new_cache, store, clock):
    """A stale value that is invalidated while it is loaded again, in vain, is gone for good."""
    cache = new_cache(ttl=45, grace=120)
    cache.get("ada")
    clock.advance(50)
    with store.slow(seconds=5), store.down():
        load = cache.get.start("ada")
        clock.advance(1)
        cache.invalidate("ada")
        settle([load])
    with store.down(), raises("ConnectionError"):
        cache.get("ada")


@check("failed-write")
def test_a_failed_put_raises_and_is_not_believed(cache, store):
    """A put that the store refused raises, and its value is not served."""
    cache.get("ada")
    with store.failing(times=1), raises("ConnectionError"):
        cache.put("ada", b"v2")
    assert cache.get("ada") == b"v1"


@check("failed-write")
def test_a_failed_put_may_have_been_stored(new_cache, store):
    """After a put that failed, the next get asks the store, which may have taken the write."""
    cache = new_cache(grace=120)
    cache.get("ada")
    with store.down():
        with raises("ConnectionError"):
            cache.put("ada", b"v2")
        with raises("ConnectionError"):
            cache.get("ada")
    store["ada"] = b"v2"
    assert cache.get("ada") == b"v2"


@check("failed-write")
def test_a_cancelled_put_may_have_been_stored(cache, store, clock):
    """After a put that was cancelled, the next get asks the store, which may have taken the write."""
    cache.get("ada")
    with store.slow(seconds=3):
        put = cache.put.start("ada", b"v2")
        clock.advance(1)
        put.cancel()
    clock.advance(5)
    assert cache.get("ada") == store["ada"]
    assert store.reads == ["ada", "ada"], "the reads of the store, before and after the put"


@check("failed-write")
def test_a_cancelled_put_may_not_have_been_stored(cache, store, clock):
    """After a put that was cancelled, the next get gives what the store holds, not what the put would have written."""
    cache.get("ada")
    with store.slow(seconds=3):
        put = cache.put.start("ada", b"v2")
        clock.advance(1)
        put.cancel()
    clock.advance(5)
    store["ada"] = b"v3"
    assert cache.get("ada") == b"v3"


@check("failed-write")
def test_a_failed_put_overtakes_a_load(cache, store, clock):
    """A load that was under way when a put failed is not kept."""
    with store.slow(seconds=5):
        load = cache.get.start("ada")
        clock.advance(1)
    with store.failing(times=1), raises("ConnectionError"):
        cache.put("ada", b"v2")
    store["ada"] = b"v2"
    assert cache.get("ada") == b"v2"
    settle([load])
    assert cache.get("ada") == b"v2"


@check("failed-write")
def test_the_older_of_two_puts_fails_last(cache, store, clock):
    """When a put fails after a younger one has been done, the next get asks the store: it may have taken either."""
    with store.slow(seconds=5), store.failing(times=1):
        puts = [cache.put.start("ada", b"v2")]
        clock.advance(1)
    with store.slow(seconds=2):
        puts.append(cache.put.start("ada", b"v3"))
        settle(puts)
    if puts[0].seconds > 1 + puts[1].seconds:  # they took no turns: the one that failed ended last
        store["ada"] = b"v2"
    assert cache.get("ada") == store["ada"]


@check("full-of-loads")
def test_more_loads_than_places(new_cache, store):
    """With two places and eight keys loading, every get has its answer, and each key costs one read."""
    cache = new_cache(capacity=2)
    keys = [f"k{number}" for number in range(8)]
    for key in keys:
        store[key] = key.encode()
    with store.slow(seconds=2):
        answers = together(cache.get.start(key) for key in keys * 3)
    assert answers == [key.encode() for key in keys * 3], "the answers"
    assert sorted(store.reads) == keys, "the reads of the store"
    with store.down():
        again = settle(cache.get.start(key) for key in keys)
    held = sum(call.value == key.encode() for call, key in zip(again, keys, strict=True))
    assert held <= 2, "the number of keys out of eight that were answered while the store was down"


@check("wall-clock")
def test_the_wall_clock_is_set_forward(new_cache, store, clock):
    """Setting the wall clock forward expires nothing."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    clock.step_wall(3600)
    clock.advance(44)
    cache.get("ada")
    assert store.reads == ["ada"], "the reads of the store before the TTL was over"


@check("wall-clock")
def test_the_wall_clock_is_set_back(new_cache, store, clock):
    """Setting the wall clock back keeps nothing alive."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    store["ada"] = b"v2"
    clock.step_wall(-3600)
    clock.advance(45)
    assert cache.get("ada") == b"v2"


def failed_with(call):
    """The kind of error that a call ended with, of its subclasses alike; None when it gave an answer."""
    return call.error and ("ConnectionError" if "ConnectionError" in call.error.types else call.error.type)
