"""The simulated network and the cluster: what they promise to graders, through real student processes."""

from __future__ import annotations

import contextlib

import pytest

from kata.grading import StudentError, settle
from kata.grading.cluster import Cluster
from kata.supervisor.failures import CheckFailed

GOSSIP = """
    import time

    class Peer:
        def __init__(self, name, peers, net, storage):
            self.name, self.peers, self.net, self.storage = name, peers, net, storage
            self.heard = []
            self.born = storage.load()
            storage.save(b"again")

        def tell(self, to, word, times=1):
            for _ in range(times):
                self.net.send(to, word)

        def tell_odd(self, to):
            self.net.send(to, self)

        def tell_from_a_thread(self, to, word):
            import asyncio
            return asyncio.to_thread(self.net.send, to, word)

        def receive(self, sender, word):
            if word == "burst":
                raise RuntimeError("burst")
            self.heard.append((sender, word))
            if word == "ping":
                self.net.send(sender, "pong")
            if word == "echo":
                self.net.send(sender, "echo")
                self.net.send(sender, "echo")

        def all_heard(self):
            return list(self.heard)

        def first_words(self):
            return self.born

        async def wait(self):
            import asyncio
            await asyncio.sleep(100)
"""


@pytest.fixture
def cluster(world_of):
    return cluster_in(world_of(GOSSIP))


def cluster_in(world, names=("a", "b", "c")):
    def build(student, member):
        return student.Peer(member.name, member.peers, member.net, member.storage)

    made = Cluster(world, names, build)
    made.world = world
    return made


def heard(cluster, name):
    return [tuple(each) for each in cluster[name].all_heard()]


def test_a_message_takes_its_delay_and_tells_its_sender(cluster):
    clock = cluster.world.clock
    cluster["a"].tell("b", "ping")
    clock.advance(0.049)
    assert heard(cluster, "b") == []
    clock.advance(0.001)
    assert heard(cluster, "b") == [("a", "ping")]
    clock.advance(0.05)
    assert heard(cluster, "a") == [("b", "pong")]
    assert [(m.sender, m.to, m.content, m.sent_at, m.arrivals) for m in cluster.net.messages] == [
        ("a", "b", "ping", 0.0, [0.05]),
        ("b", "a", "pong", 0.05, [0.1]),
    ]


def test_a_partition_cuts_both_ways_and_a_cut_one(cluster):
    clock = cluster.world.clock
    with cluster.net.partition({"a"}, {"b", "c"}):
        cluster["a"].tell("b", "1")
        cluster["b"].tell("a", "2")
        cluster["b"].tell("c", "3")
        cluster["a"].tell("a", "to myself")
        clock.advance(1)
    with cluster.net.cut({"a"}, {"b"}):
        cluster["a"].tell("b", "4")
        cluster["b"].tell("a", "5")
        clock.advance(1)
    assert heard(cluster, "a") == [("a", "to myself"), ("b", "5")]
    assert heard(cluster, "b") == []
    assert heard(cluster, "c") == [("b", "3")]


def test_a_message_on_its_way_is_lost_when_its_link_is_cut_meanwhile(cluster):
    cluster["a"].tell("b", "late")
    with cluster.net.cut({"a"}, {"b"}):
        cluster.world.clock.advance(1)
    assert heard(cluster, "b") == []
    assert cluster.net.messages[0].arrivals == []


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [("losing", 20, 40), ("doubling", 90, 90), ("jitter", 60, 60), ("slow", 60, 60)],
)
def test_faults_of_the_network(cluster, fault, least, most):
    net, clock = cluster.net, cluster.world.clock
    faults = {
        "losing": lambda: net.losing(share=0.5),
        "doubling": lambda: net.doubling(share=0.5),
        "jitter": lambda: net.jitter(seconds=1),
        "slow": lambda: net.slow(2, senders={"a"}, receivers={"b"}),
    }
    with faults[fault]():
        for number in range(60):
            cluster["a"].tell("b", number)
    clock.advance(0.05)
    soon = len(heard(cluster, "b"))
    clock.advance(3)
    numbers = [number for _, number in heard(cluster, "b")]
    if fault == "doubling":
        assert 60 < len(numbers) < 120
        assert set(numbers) == set(range(60))
    else:
        assert least <= len(numbers) <= most
    if fault == "jitter":
        assert numbers != sorted(numbers)
    if fault == "slow":
        assert soon == 0


def test_faults_end_with_their_block(cluster):
    with cluster.net.losing(share=1), cluster.net.doubling(share=1), cluster.net.slow(5), cluster.net.jitter(5):
        pass
    cluster["a"].tell("b", "sound")
    cluster.world.clock.advance(0.05)
    assert heard(cluster, "b") == [("a", "sound")]
    assert cluster.world.faults == 0


def test_the_same_seed_loses_the_same_messages(world_of):
    def arrived(seed):
        cluster = cluster_in(world_of(GOSSIP, seed=seed))
        with cluster.net.losing(share=0.5), cluster.net.jitter(1):
            for number in range(30):
                cluster["a"].tell("b", number)
        cluster.world.clock.advance(2)
        return heard(cluster, "b")

    assert arrived(7) == arrived(7)
    assert arrived(7) != arrived(8)


def test_a_crash_forgets_memory_and_keeps_the_disk(cluster):
    clock = cluster.world.clock
    assert cluster["b"].first_words() is None
    cluster["a"].tell("b", "1")
    clock.advance(1)
    waiting = cluster["b"].wait.start()
    clock.advance(1)
    with cluster.crashed("b"):
        assert waiting.killed
        assert cluster.up() == ["a", "c"]
        with pytest.raises(KeyError):
            cluster["b"]
        cluster["a"].tell("b", "2")
        clock.advance(1)
    assert heard(cluster, "b") == []
    assert cluster["b"].first_words() == b"again"
    assert cluster.world.faults == 0
    with pytest.raises(RuntimeError, match="b is up"):
        cluster.start("b")


def test_a_crash_between_two_sends(cluster):
    clock = cluster.world.clock
    cluster.crash_at_send("a", 2)
    call = cluster["a"].tell.start("b", "word", 5)
    settle([call])
    clock.advance(1)
    assert call.killed
    assert heard(cluster, "b") == [("a", "word")] * 2
    cluster.start("a")
    cluster.crash_at_send("a", 0)
    cluster.call_off_crashes()
    cluster["a"].tell("b", "on")
    assert cluster.up() == ["a", "b", "c"]


def test_a_crash_right_behind_a_send(cluster):
    cluster.crash_at_send("a", 2, leaves=True)
    call = cluster["a"].tell.start("b", "word", 5)
    settle([call])
    cluster.world.clock.advance(1)
    assert call.killed
    assert heard(cluster, "b") == [("a", "word")] * 3


def test_a_message_whose_receiver_raises_fails_the_check(cluster):
    cluster["a"].tell("b", "burst")
    with pytest.raises(CheckFailed, match="RuntimeError: burst"):
        cluster.world.clock.advance(1)


@pytest.mark.parametrize(
    ("to", "word", "why"),
    [
        ("nobody", "x", "nobody is called 'nobody'"),
        (3, "x", "takes a replica's name, not int"),
        ("b", object, "takes plain data"),
    ],
)
def test_what_can_not_be_sent_is_said(cluster, to, word, why):
    with pytest.raises(CheckFailed, match=f"^a called net.send.*{why}"):
        cluster["a"].tell(to, word) if word is not object else cluster["a"].tell_odd(to)


def test_a_thread_may_send(cluster):
    cluster["a"].tell_from_a_thread("b", "word")
    cluster.world.clock.advance(1)
    assert heard(cluster, "b") == [("a", "word")]


def test_an_endpoint_is_of_one_process_alone(world_of):
    world = world_of("""
        held = []
        def take(net):
            held.append(net)
        def give():
            return held[0]
        def use(net):
            net.send("a", "as somebody else")
    """)
    from kata.grading.network import Network

    network = Network(world)
    ours, theirs = world.student("a"), world.student("b")
    endpoint = network.endpoint("a", ours)
    with contextlib.suppress(StudentError), pytest.raises(CheckFailed, match="something that does not exist"):
        theirs.use(endpoint)
    assert network.messages == []


def test_a_storm_ends_the_check(cluster):
    cluster["a"].tell("b", "echo")
    with pytest.raises(CheckFailed, match=r"1,000 messages were sent within one virtual second, the last by [ab]\."):
        cluster.world.clock.advance(2)


def test_many_messages_are_no_storm_while_they_take_their_time(cluster):
    for _ in range(4):
        cluster["a"].tell("b", "word", 400)
        cluster.world.clock.advance(0.5)
    assert len(heard(cluster, "b")) == 1600


def test_a_copy_comes_up_to_so_much_later(cluster):
    with cluster.net.doubling(share=1, seconds=3):
        cluster["a"].tell("b", "word", 50)
    cluster.world.clock.advance(10)
    for message in cluster.net.messages:
        first, again = message.arrivals
        assert first == 0.05
        assert 0.05 <= again <= 3.05
    assert max(message.arrivals[1] for message in cluster.net.messages) > 1
