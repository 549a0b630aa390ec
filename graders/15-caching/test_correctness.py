"""What the cache answers."""

from itertools import count

import pytest
from model import LeastRecentlyUsed, operations, overlap

from kata.grading import check, examples, raises, settle


@check("hit")
def test_a_second_get_asks_nothing(cache, store):
    """While the answer is held, a get asks nothing of the store."""
    assert cache.get("ada") == b"v1"
    assert cache.get("ada") == b"v1"
    assert cache.get("bob") == b"w1"
    assert cache.get("ada") == b"v1"
    assert store.reads == ["ada", "bob"], "the reads of the store"


@check("hit")
def test_an_empty_value_is_held(cache, store):
    """An empty value is held like any other."""
    store["ada"] = b""
    assert cache.get("ada") == b""
    assert cache.get("ada") == b""
    assert store.reads == ["ada"], "the reads of the store"


@check("hit")
def test_a_missing_key_is_held(cache, store):
    """The answer that there is no such key is held like any other."""
    assert cache.get("dan") is None
    assert cache.get("dan") is None
    assert store.reads == ["dan"], "the reads of the store"


@check("hit")
def test_keys_that_look_alike_are_apart(cache, store):
    """Keys that differ only by case or by a blank are different keys."""
    store["Ada"] = b"a1"
    assert cache.get("ada") == b"v1"
    assert cache.get("Ada") == b"a1"
    assert cache.get("ada ") is None
    assert store.reads == ["ada", "Ada", "ada "], "the reads of the store"


@check("fresh")
def test_serves_until_its_ttl(new_cache, store, clock):
    """A value is served while its age is less than the TTL."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    clock.advance(44.5)
    assert cache.get("ada") == b"v1"
    assert store.reads == ["ada"], "the reads of the store before the TTL was over"


@check("fresh")
def test_asks_again_at_its_ttl(new_cache, store, clock):
    """A value is no longer served when its age is exactly the TTL."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    store["ada"] = b"v2"
    clock.advance(45)
    assert cache.get("ada") == b"v2"


@check("fresh")
def test_fractions_of_a_second_count(new_cache, store, clock):
    """With a TTL of three quarters of a second, a value is served at half a second, and not at three quarters."""
    cache = new_cache(ttl=0.75)
    cache.get("ada")
    store["ada"] = b"v2"
    clock.advance(0.5)
    assert cache.get("ada") == b"v1"
    clock.advance(0.25)
    assert cache.get("ada") == b"v2"


@check("fresh")
def test_reading_does_not_renew(new_cache, store, clock):
    """A value that is read again and again ends at its TTL all the same."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    store["ada"] = b"v2"
    for _ in range(2):
        clock.advance(20)
        cache.get("ada")
    clock.advance(5)
    assert cache.get("ada") == b"v2"


@check("fresh")
@pytest.mark.parametrize("value", [b"v2", b"v1"])
def test_a_put_begins_a_ttl(new_cache, store, clock, value):
    """A value's age is counted from the put that brought it, also when it is the value that was held before."""
    cache = new_cache(ttl=45)
    cache.get("ada")
    clock.advance(30)
    cache.put("ada", value)
    store["ada"] = b"v3"
    clock.advance(44)
    assert cache.get("ada") == value
    clock.advance(1)
    assert cache.get("ada") == b"v3"


@check("fresh")
def test_a_missing_key_ends_at_its_ttl(new_cache, store, clock):
    """The answer that there is no such key ends at its TTL like any other."""
    cache = new_cache(ttl=45)
    cache.get("dan")
    store["dan"] = b"y1"
    clock.advance(45)
    assert cache.get("dan") == b"y1"


@check("fresh")
@examples(count=12, steps=operations(["get", "get", "get", "put"], ["ada", "ada", "bob"], waits=[4, 12, 24]))
def test_no_answer_is_older_than_the_ttl(begin, clock, steps):
    """In any sequence of operations, each answer was in the store less than a TTL ago, whoever wrote it."""
    cache, store = begin(ttl=24)
    versions = count(2)
    for seconds, verb, key in steps:
        if seconds:
            store["ada"] = store["bob"] = b"v%d" % next(versions)
            clock.advance(seconds)
        match verb:
            case "put":
                cache.put(key, b"v%d" % next(versions))
            case "get":
                assert cache.get(key) in store.held_since(key, clock.now - 24)


@check("write")
def test_a_put_goes_to_the_store_and_to_the_cache(cache, store):
    """A put writes to the store once; the next get gives the new value and asks nothing."""
    cache.get("ada")
    cache.put("ada", b"v2")
    assert store.writes == [("ada", b"v2")], "the writes to the store"
    assert cache.get("ada") == b"v2"
    assert store.reads == ["ada"], "the reads of the store"


@check("write")
def test_a_new_key_is_held_when_it_is_put(cache, store):
    """A key that was never read is held from the moment that its put returns."""
    cache.put("dan", b"y1")
    assert cache.get("dan") == b"y1"
    assert store.reads == [], "the reads of the store"


@check("write")
def test_gives_nothing_that_the_store_has_not_taken(cache, store, clock):
    """While a put is under way, no get gives its value before the store has taken it."""
    cache.get("ada")
    with store.slow(seconds=3):
        put = cache.put.start("ada", b"v2")
        clock.advance(1)
    seen = cache.get("ada")
    assert seen in [b"v1", store["ada"]]
    put.result()
    assert cache.get("ada") == b"v2"


@check("write")
def test_an_invalidated_key_is_asked_for(cache, store):
    """After an invalidate the next get asks the store."""
    cache.get("ada")
    store["ada"] = b"v2"
    cache.invalidate("ada")
    assert cache.get("ada") == b"v2"
    assert store.reads == ["ada", "ada"], "the reads of the store"


@check("overtaken")
def test_a_put_overtakes_a_load(cache, store, clock):
    """A load that a put overtook doesn't bring the old value back."""
    with store.slow(seconds=5):
        load = cache.get.start("ada")
        clock.advance(1)
    cache.put("ada", b"v2")
    assert cache.get("ada") == b"v2"
    settle([load])
    assert cache.get("ada") == b"v2"


@check("overtaken")
def test_a_load_begun_during_a_put_is_overtaken(cache, store, clock):
    """A load that begins while a put is under way, and ends after it, is not kept either."""
    with store.slow(seconds=3):
        put = cache.put.start("ada", b"v2")
        clock.advance(1)
        load = cache.get.start("ada")
        settle([put, load])
    assert cache.get("ada") == b"v2"


@check("overtaken")
def test_an_invalidate_overtakes_a_load(cache, store, clock):
    """A get that begins after an invalidate gets no answer that was asked for before it."""
    with store.slow(seconds=5):
        load = cache.get.start("ada")
        clock.advance(1)
    store["ada"] = b"v2"
    cache.invalidate("ada")
    assert cache.get("ada") == b"v2"
    settle([load])
    assert cache.get("ada") == b"v2"


@check("overtaken")
def test_a_load_is_overtaken_though_its_key_has_gone(new_cache, store, clock):
    """A load that a put overtook is not kept either when what was put has been evicted by then."""
    cache = new_cache(capacity=1)
    with store.slow(seconds=5, keys={"ada"}):
        load = cache.get.start("ada")
        clock.advance(1)
    cache.put("ada", b"v2")
    cache.get("bob")
    settle([load])
    assert cache.get("ada") == b"v2"


@check("overtaken")
@pytest.mark.parametrize("failures", [0, 1])
def test_an_overtaken_load_leaves_what_is_held(cache, store, clock, failures):
    """When a load ends that a put overtook, by an answer or by an error, what was put is held as before."""
    with store.slow(seconds=5), store.failing(times=failures):
        load = cache.get.start("ada")
        clock.advance(1)
    cache.put("ada", b"v2")
    settle([load])
    store.forget()
    assert cache.get("ada") == b"v2"
    assert store.reads == [], "the reads of the store for what was put"


@check("overtaken")
@pytest.mark.parametrize("failures", [0, 1])
def test_an_overtaken_load_leaves_the_newer_one_alone(cache, store, clock, failures):
    """When an overtaken load ends, by an answer or by an error, new gets still join the newer load of the key."""
    with store.slow(seconds=5), store.failing(times=failures):
        loads = [cache.get.start("ada")]
        clock.advance(1)
    cache.invalidate("ada")
    with store.slow(seconds=20):
        loads.append(cache.get.start("ada"))
        clock.advance(10)
        loads.append(cache.get.start("ada"))
        settle(loads)
    assert store.reads == ["ada", "ada"], "the reads of the store, before and after the invalidate"


@check("overtaken")
def test_concurrent_puts_end_as_the_store_does(cache, store, clock):
    """After concurrent puts of a key the cache holds what the store holds, whichever put began first."""
    with store.slow(seconds=5):
        puts = [cache.put.start("ada", b"v2")]
        clock.advance(1)
    with store.slow(seconds=2):
        puts.append(cache.put.start("ada", b"v3"))
        clock.advance(1)
    settle(puts)
    assert cache.get("ada") == store["ada"]


@check("overtaken")
@examples(count=12, steps=operations(["get", "get", "put", "change"], ["ada"], waits=[1, 2]))
def test_no_answer_is_outdated_when_its_get_begins(begin, clock, steps):
    """However loads, puts and invalidates overlap, no answer was already outdated when its get began."""
    cache, store = begin(ttl=1000)
    for key, began, get in overlap(cache, store, clock, steps):
        assert get.result() in store.held_since(key, began)
    assert cache.get("ada") == store["ada"]


@check("lru")
def test_the_least_recently_used_goes(new_cache, store):
    """When there is no room for one more key, the one whose last get is longest ago goes."""
    cache = new_cache(capacity=3)
    for key in ("ada", "bob", "cyd", "ada", "eve"):
        cache.get(key)
    store.forget()
    for key in ("cyd", "ada", "eve"):
        cache.get(key)
    assert store.reads == [], "the reads of the store for the three keys that were used last"
    cache.get("bob")
    assert store.reads == ["bob"], "the reads of the store for the key that had to go"


@check("lru")
def test_a_put_is_a_use(new_cache, store):
    """A put is a use of its key, and a put of a held key needs no second place."""
    cache = new_cache(capacity=2)
    cache.get("ada")
    cache.get("bob")
    cache.put("ada", b"v2")
    cache.put("ada", b"v3")
    cache.get("bob")
    assert store.reads == ["ada", "bob"], "the reads of the store after puts of a held key"
    cache.put("ada", b"v4")
    cache.put("cyd", b"x2")
    cache.get("ada")
    assert store.reads == ["ada", "bob"], "the reads of the store for the key that was put just before"


@check("lru")
def test_a_reload_takes_its_own_place(new_cache, store, clock):
    """A key that is loaded again at its TTL pushes no other out."""
    cache = new_cache(ttl=45, capacity=2)
    cache.get("ada")
    clock.advance(30)
    cache.get("bob")
    clock.advance(20)
    cache.get("ada")
    cache.get("bob")
    assert store.reads == ["ada", "bob", "ada"], "the reads of the store"


@check("lru")
def test_an_invalidated_key_needs_no_place(new_cache, store):
    """A key that was invalidated has left its place to the next one, which pushes no other out."""
    cache = new_cache(capacity=2)
    cache.get("ada")
    cache.get("bob")
    cache.invalidate("bob")
    cache.get("cyd")
    store.forget()
    for key in ("ada", "cyd"):
        cache.get(key)
    assert store.reads == [], "the reads of the store for two keys, for which there was room"


@check("lru")
def test_a_load_that_fails_needs_no_place(new_cache, store):
    """A load that fails pushes no key out, for it brings nothing to be held."""
    cache = new_cache(capacity=2)
    cache.get("ada")
    cache.get("bob")
    with store.failing(times=1), raises("ConnectionError"):
        cache.get("cyd")
    store.forget()
    for key in ("ada", "bob"):
        cache.get(key)
    assert store.reads == [], "the reads of the store for the two keys that were held"


@check("lru")
def test_holds_at_most_its_capacity(new_cache, store):
    """Of six keys that were read or written in turn, a cache of two holds the last two."""
    cache = new_cache(capacity=2)
    for read, written in (("ada", "k1"), ("bob", "k2"), ("cyd", "k3")):
        cache.get(read)
        cache.put(written, b"new")
    store.forget()
    for key in ("k3", "cyd", "k2", "bob", "k1", "ada"):
        cache.get(key)
    assert store.reads == ["k2", "bob", "k1", "ada"], "the reads of the store for all six, the youngest first"


@check("lru")
@examples(count=12, steps=operations(["get", "get", "put", "invalidate"], ["ada", "bob", "cyd"], waits=[7]))
def test_holds_what_a_model_holds(begin, clock, steps):
    """In any sequence of operations, a get asks the store exactly when its key had to be loaded."""
    cache, store = begin(ttl=1000, capacity=2)
    model = LeastRecentlyUsed(capacity=2)
    for seconds, verb, key in steps:
        clock.advance(seconds)
        store.forget()
        match verb:
            case "invalidate":
                cache.invalidate(key)
                model.drop(key)
            case "put":
                cache.put(key, b"new")
                model.use(key)
            case "get":
                cache.get(key)
                due = [] if key in model else [key]
                assert store.reads == due, f"the reads of the store for {key!r}"
                model.use(key)
