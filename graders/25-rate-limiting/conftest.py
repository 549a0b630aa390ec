"""What the checks of 25-rate-limiting start from: the three limiters with a quota of 5, and servers with one store."""

import pytest

from kata.grading import named
from kata.grading.fakes import VersionedStore

SHARED = {"capacity": 6, "rate": 0.5, "fail_open": False, "timeout": 5}


@pytest.fixture
def fixed(student):
    """Admits 5 in each window of 30 seconds."""
    return fixed_of(student)


@pytest.fixture
def sliding(student):
    """Admits 5 in any 30 seconds."""
    return sliding_of(student)


@pytest.fixture
def bucket(student):
    """Holds 5 tokens, and gains one in 4 seconds: full again after 20."""
    return bucket_of(student)


@pytest.fixture
def three(fixed, sliding, bucket):
    """One of each, in one process."""
    return [fixed, sliding, bucket]


@pytest.fixture
def begin(world):
    """Begins a run of its own, for one example of a property: gives its limiter, and makes no other."""

    def begin(kind):
        world.reset()
        return {"fixed": fixed_of, "sliding": sliding_of, "bucket": bucket_of}[kind](world.student())

    return begin


@pytest.fixture
def store(world):
    """An empty store."""
    return VersionedStore(world)


@pytest.fixture
def new_server(world, store):
    """Starts one more server beside the store; a check names only the options that it is about."""

    def new_server(name="", **options):
        return server_of(world, store, name, options)[1]

    return new_server


@pytest.fixture
def shared(new_server):
    """A bucket of 6 tokens in the store, that gains one in 2 seconds; fails closed after 5 seconds."""
    return new_server()


@pytest.fixture
def mortal_server(world, store):
    """Like `new_server`; gives the process as well, for who wants to kill it."""
    return lambda name, **options: server_of(world, store, name, options)


@pytest.fixture
def begin_servers(world):
    """Begins a run of its own with servers of these names: gives their limiters and the store."""

    def begin_servers(*names, **options):
        world.reset()
        store = VersionedStore(world)
        return [server_of(world, store, name, options)[1] for name in names], store

    return begin_servers


@pytest.fixture
def with_keys(world):
    """By number of keys that they hold, a process and its three limiters, which admit 1,000: whatever is asked."""

    def filled(size):
        student, limiters = limiters_of(world, limit=1000)
        keys = [f"key{number}" for number in range(size)]
        for limiter in limiters:
            limiter.allow.each(keys)
        return student, limiters, keys

    return {size: filled(size) for size in (32, 4096)}


@pytest.fixture
def with_history(world, clock):
    """By number of calls that they admitted and denied, a process and its three limiters, which admit 100."""

    def used(size):
        student, limiters = limiters_of(world, limit=100)
        for _ in range(size // 100):
            for limiter in limiters:
                limiter.allow.each(["ada"] * 200)
            clock.advance(61)
        return student, limiters

    return {size: used(size) for size in (100, 1600)}


@pytest.fixture
def new_limiters(world):
    """Gives one limiter of each kind, of 60 seconds, each in a process of its own, with the process."""

    def new_limiters():
        for number, name in enumerate(("fixed_window", "sliding_window", "token_bucket")):
            student, limiters = limiters_of(world, limit=3)
            yield student, named(name, limiters[number])

    return new_limiters


def limiters_of(world, limit):
    """A process and one limiter of each kind in it, of 60 seconds each."""
    student = world.student()
    made = [student.FixedWindow(limit, 60), student.SlidingWindow(limit, 60), student.TokenBucket(limit, limit / 60)]
    return student, made


def fixed_of(student):
    return named("fixed_window", student.FixedWindow(limit=5, window=30))


def sliding_of(student):
    return named("sliding_window", student.SlidingWindow(limit=5, window=30))


def bucket_of(student):
    return named("token_bucket", student.TokenBucket(capacity=5, rate=0.25))


def server_of(world, store, name, options):
    """A process, and the shared limiter in it."""
    student = world.student(name)
    shared = student.SharedTokenBucket(store, **(SHARED | options))
    return student, named(f"{name}.shared" if name else "shared", shared)
