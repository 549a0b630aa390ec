"""What the checks of 08-database start from: a database on a disk, its transactions, and crashes at every call."""

import pytest
from model import Shop, commit, state_of

from kata.grading import named
from kata.grading.disk import Disk
from kata.grading.serializability import History


@pytest.fixture
def disk(world):
    """An empty disk."""
    return Disk(world)


@pytest.fixture
def database(student, disk):
    """A new database on that disk."""
    return named("database", student.Database(disk))


@pytest.fixture
def reopened(world):
    """Opens what is on a disk in a new process, as after the end of the one before."""
    return lambda disk: named("database", world.student().Database(disk))


@pytest.fixture
def write(database):
    """Commits one transaction with these writes; None deletes."""
    return lambda **writes: commit(database, writes)


@pytest.fixture
def held(database):
    """What a new transaction sees of the database."""
    return lambda: state_of(database)


@pytest.fixture
def history(database):
    """Transactions of the database that are judged together."""
    return History(database, conflict="Conflict")


@pytest.fixture
def begin_history(world):
    """Begins a run of its own, for one example of a property: a database, and a history of it."""

    def begin_history():
        world.reset()
        database = named("database", world.student().Database(Disk(world)))
        return database, History(database, conflict="Conflict")

    return begin_history


@pytest.fixture
def shop(world, disk, database):
    """A day in the shop, played on the database with a recording of the disk, and what was acknowledged when."""
    return lambda steps, free_bytes=None: Shop(world, disk, database).play(steps, free_bytes)
