"""What the checks of 15-caching start from: a store that others write to as well, and a cache beside it."""

import pytest

from kata.grading import named
from kata.grading.fakes import Store

DEFAULTS = {"ttl": 45, "capacity": 100}


@pytest.fixture
def store(world):
    """A store in which four people are known, and `dan` is not."""
    return filled_store(world)


@pytest.fixture
def new_cache(student, store):
    """Makes a cache beside the store; a check names only the options that it is about."""
    return lambda **options: cache_beside(student, store, **options)


@pytest.fixture
def cache(new_cache):
    """A cache that nothing is ever evicted from and whose values live for 45 seconds."""
    return new_cache()


@pytest.fixture
def begin(world):
    """Begins a run of its own, for one example of a property: gives its cache and its store."""

    def begin(**options):
        world.reset()
        store = filled_store(world)
        return cache_beside(world.student(), store, **options), store

    return begin


@pytest.fixture
def full_caches(world):
    """By size, a process with a cache whose every place is taken, the store beside it, and the keys held there."""
    return {size: full_cache(world, size) for size in (32, 2048)}


def full_cache(world, size):
    keys = [f"key{number}" for number in range(size)]
    student, store = world.student(), Store(world, dict.fromkeys(keys, b"v1"))
    cache = cache_beside(student, store, capacity=size)
    for start in range(0, size, 128):  # some at once: two thousand would be the most that a run ever holds
        cache.get.each(keys[start : start + 128], at_once=True)
    return student, cache, store, keys


def cache_beside(student, store, **options):
    return named("cache", student.CacheAside(store, **(DEFAULTS | options)))


def filled_store(world):
    return Store(world, {"ada": b"v1", "bob": b"w1", "cyd": b"x1", "eve": b"z1"})
