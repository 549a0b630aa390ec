"""The fake of a shared store: versions, compare-and-set, expiry, its own clock, and faults."""

from __future__ import annotations

import pytest

from kata.grading import StudentError, settle, together
from kata.grading.fakes import VersionedStore

CLIENT = """
    async def read(store, key):
        return await store.read(key)
    async def swap(store, *args):
        return await store.compare_and_set(*args)
    async def add(store, key):
        while True:
            value, version, _ = await store.read(key)
            total = int(value or b"0") + 1
            if await store.compare_and_set(key, version, b"%d" % total, 60):
                return total
"""


@pytest.fixture
def stored(world_of):
    world = world_of(CLIENT)
    return world, VersionedStore(world), world.student()


def test_a_write_needs_the_version_that_was_read(stored):
    _, store, student = stored
    assert student.read(store, "ada") == (None, 0, store.now)
    assert student.swap(store, "ada", 7, b"v1", 60) is False
    assert student.swap(store, "ada", 0, b"v1", 60) is True
    value, version, _ = student.read(store, "ada")
    assert (value, version > 0) == (b"v1", True)
    assert student.swap(store, "ada", 0, b"v2", 60) is False
    assert student.swap(store, "ada", version, b"v2", 60) is True
    assert student.swap(store, "ada", version, b"v3", 60) is False
    assert student.read(store, "ada")[:2] == (b"v2", version + 1)
    assert (store.reads, store.writes) == (["ada"] * 3, ["ada"] * 5)
    store.forget()
    assert (store.reads, store.writes) == ([], [])


def test_no_racing_update_is_lost(stored):
    world, store, student = stored
    other = world.student("other")
    totals = together(who.add.start(store, "ada") for who in (student, other) for _ in range(5))
    assert sorted(totals) == list(range(1, 11))


def test_a_read_is_of_its_beginning_and_a_write_of_its_end(stored):
    world, store, student = stored
    with store.slow(seconds=4):
        read, swap = student.read.start(store, "ada"), student.swap.start(store, "ada", 0, b"v1", 60)
        world.clock.advance(1)
    asked_at = store.now - 1
    assert student.swap(store, "ada", 0, b"v2", 60) is True
    settle([read, swap])
    assert (read.value, swap.value) == ((None, 0, asked_at), False)


def test_a_key_is_gone_when_its_ttl_is_over(stored):
    world, store, student = stored
    student.swap(store, "ada", 0, b"v1", 10)
    student.swap(store, "bob", 0, b"w1", 20)
    world.clock.advance(9.5)
    assert store.keys() == ["ada", "bob"]
    world.clock.advance(0.5)
    assert store.keys() == ["bob"]
    assert student.read(store, "ada")[:2] == (None, 0)
    student.swap(store, "ada", 0, b"v2", 10)
    assert student.read(store, "ada")[1] == 3, "a version that no write had before"
    assert student.swap(store, "cyd", 0, b"x1", 10**400), "an integer that no float can hold"
    assert store.keys() == ["ada", "bob", "cyd"]


def test_the_store_has_a_clock_of_its_own(stored):
    world, store, student = stored
    began = store.now
    world.clock.advance(10)
    assert store.now == began + 10
    with store.clock_speed(0.5):
        student.swap(store, "ada", 0, b"v1", 10)
        world.clock.advance(16)
        assert store.now == began + 18
        assert store.keys() == ["ada"]
    world.clock.advance(2)
    assert store.now == began + 20
    assert store.keys() == []
    assert student.read(store, "ada") == (None, 0, began + 20)
    texts = [line.text for line in world.lines()[0] if line.kind == "fault"]
    assert texts == [
        "store's clock runs 0.5 times as fast as the servers'",
        "store's clock runs as fast as the servers' again",
    ]


def test_a_call_that_fails_changes_nothing(stored):
    _, store, student = stored
    with store.failing(times=1), pytest.raises(StudentError, match="ConnectionError"):
        student.swap(store, "ada", 0, b"v1", 60)
    with store.down(), pytest.raises(StudentError, match="ConnectionError"):
        student.read(store, "ada")
    assert student.read(store, "ada")[:2] == (None, 0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1, 0, b"v", 5), "compare_and_set takes text as its key, not int"),
        (("k", 0, "v", 5), "compare_and_set takes bytes as its value, not str"),
        (("k", None, b"v", 5), "compare_and_set takes a version, not NoneType"),
        (("k", 0, b"v", 0), "takes a number of seconds above 0 as its ttl, not 0"),
        (("k", 0, b"v", None), "takes a number of seconds above 0 as its ttl, not None"),
    ],
)
def test_it_says_what_it_takes(stored, args, message):
    _, store, student = stored
    with pytest.raises(StudentError, match=message):
        student.swap(store, *args)
    assert store.writes == []
