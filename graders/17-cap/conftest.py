"""What the checks of 17-cap start from: clusters of replicas, consistent or available ones."""

import pytest
from model import SETTLE_SECONDS, only_value

from kata.grading.cluster import Cluster
from kata.grading.linearizability import History


@pytest.fixture
def consistent(world, clock):
    """Starts a CP cluster, `n1`, `n2` and so on, and gives it time to find itself."""

    def consistent(size=3):
        cluster = started(world, size, "CP")
        clock.advance(SETTLE_SECONDS)
        return cluster

    return consistent


@pytest.fixture
def available(world):
    """Starts an AP cluster, `n1`, `n2` and so on."""
    return lambda size=3: started(world, size, "AP")


@pytest.fixture
def cp(consistent):
    """A CP cluster of three that has found itself."""
    return consistent()


@pytest.fixture
def ap(available):
    """An AP cluster of three."""
    return available()


@pytest.fixture
def new_history():
    """Makes a history: it records puts and gets of CP replicas, and judges them together."""
    return lambda: History(read=only_value, unknown=["Unavailable"])


@pytest.fixture
def history(new_history):
    """The history of one cluster."""
    return new_history()


def started(world, size, mode):
    def build(student, member):
        return student.Replica(member.name, member.peers, member.net, member.storage, mode)

    return Cluster(world, [f"n{number}" for number in range(1, size + 1)], build)
