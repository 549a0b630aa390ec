"""What the replicas cost: round trips, seconds until they agree, messages, and bytes that are kept."""

from model import NOISE_SECONDS, SETTLE_SECONDS, at, context_at, in_a_chain, values_of

from kata.grading import check, together
from kata.grading.network import wire_size

ROUND_TRIP_SECONDS = 0.1


@check("round-trips")
def test_a_put_takes_two_round_trips(consistent):
    """In CP, a put takes at most two round trips at every replica, of a new key and of an old one."""
    cluster = consistent(size=5)
    for name in cluster.names * 2:
        call = cluster[name].put.start("seat", f"by {name}".encode())
        call.result()
        assert call.seconds <= 2 * ROUND_TRIP_SECONDS + NOISE_SECONDS, f"the seconds that {call} took"


@check("round-trips")
def test_a_get_takes_two_round_trips(cp):
    """In CP, a get takes at most two round trips at every replica, also of a key that nobody has put."""
    cp["n2"].put("seat", b"ada")
    for key in ("seat", "nothing", "seat"):
        for name in cp.names:
            call = cp[name].get.start(key)
            call.result()
            assert call.seconds <= 2 * ROUND_TRIP_SECONDS + NOISE_SECONDS, f"the seconds that {call} took"


@check("round-trips")
def test_two_round_trips_after_a_partition(cp, clock):
    """In CP, a replica that has missed a put takes at most two round trips for a get, 5 s after it can be reached."""
    for number, key in enumerate(("seat", "seat", "row")):
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            cp["n1"].put(key, b"missed by n2 %d" % number)
        clock.advance(SETTLE_SECONDS)
        call = cp["n2"].get.start(key)
        call.result()
        assert call.seconds <= 2 * ROUND_TRIP_SECONDS + NOISE_SECONDS, f"the seconds that {call} took"


@check("round-trips")
def test_available_replicas_wait_for_nobody(ap, clock):
    """In AP, puts and gets take no time, whether the others answer or not."""
    calls = []
    for name in ap.names:
        calls.append(ap[name].put.start("basket", name.encode()))
        calls.append(ap[name].get.start("basket"))
    with ap.net.partition({"n1"}, {"n2"}, {"n3"}):
        calls.append(ap["n2"].put.start("basket", b"alone"))
        clock.advance(0)
        assert [str(call) for call in calls if not call.done] == [], "the calls that had no answer at once"


@check("converge", coverage=False)
def test_agree_within_ten_seconds(available, clock):
    """Ten seconds after the last of many puts, five replicas give the same values of each key."""
    cluster = available(size=5)
    for number, name in enumerate(cluster.names * 2):
        cluster[name].put(f"basket{number % 3}", f"{number} at {name}".encode())
        clock.step_wall(-60)
        clock.advance(0.7)
    clock.advance(9.3)
    for key, count in (("basket0", 4), ("basket1", 3), ("basket2", 3)):
        first, *others = at(cluster, key)
        assert len(first) == count, f"the number of values of {key!r} at n1, {count} of which were put"
        assert others == [first] * 4, f"the values of {key!r} at n2 to n5, beside those at n1"


@check("converge", coverage=False)
def test_agree_by_way_of_a_third(ap, clock):
    """Two replicas that can only reach the third agree within ten seconds, whenever something was put."""
    with ap.net.partition({"n1"}, {"n3"}):
        for number, seconds in enumerate((0.2, 2.6, 4.9, 7.3)):
            clock.advance(seconds)
            for name in ("n1", "n3"):
                ap[name].put(f"basket{number}", name.encode())
            clock.advance(10)
            assert at(ap, f"basket{number}") == [[b"n1", b"n3"]] * 3


@check("converge", coverage=False)
def test_agree_by_way_of_a_third_that_knew_it_long_ago(ap, clock):
    """A replica learns of a put by way of a third one also when that could not reach it while the news was fresh."""
    with ap.net.partition({"n1"}, {"n2"}):
        with ap.net.partition({"n3"}, {"n2"}):
            ap["n1"].put("basket", b"tea")
            clock.advance(30)
        clock.advance(10)
        assert at(ap, "basket") == [[b"tea"]] * 3


@check("converge", coverage=False)
def test_agree_along_a_chain(available, clock):
    """Five replicas, each of which can only reach its neighbours in a chain, agree within ten seconds."""
    cluster = available(size=5)
    with in_a_chain(cluster):
        for number, seconds in enumerate((0.2, 1.3, 0.7)):
            clock.advance(seconds)
            for name in ("n1", "n5"):
                cluster[name].put(f"basket{number}", name.encode())
            clock.advance(10)
            assert at(cluster, f"basket{number}") == [[b"n1", b"n5"]] * 5


@check("converge", coverage=False)
def test_a_hundred_keys(ap, clock):
    """Ten seconds after a partition in which a hundred keys were put, all three replicas have every one."""
    baskets = {f"basket{number}": b"%d" % number for number in range(100)}
    with ap.net.partition({"n1"}, {"n2", "n3"}):
        for number, (key, value) in enumerate(baskets.items()):
            ap[ap.names[number % 3]].put(key, value)
        clock.advance(10)
    clock.advance(10)
    for name in ap.names:
        found = together([ap[name].get.start(key) for key in baskets], read=values_of)
        missing = [key for key, values in zip(baskets, found, strict=True) if values != [baskets[key]]]
        assert missing == [], f"the baskets of a hundred that lack their value at {name}"


@check("converge", coverage=False)
def test_is_quiet_when_nothing_is_new(ap, clock):
    """When nothing is new, a replica that has a dozen keys sends each peer at most 5 messages a second: one that is up,
    one that is down, and one that can't hear it."""
    for number in range(12):
        name = ap.names[number % 3]
        ap[name].put(f"basket{number}", name.encode())
    clock.advance(13)
    expect_quiet(ap, clock)
    ap.crash("n3")
    ap["n1"].put("basket0", b"n3 can't hear this")
    clock.advance(10)
    expect_quiet(ap, clock)
    with ap.net.cut({"n1"}, {"n2"}):
        for number in range(12):
            ap["n1"].put(f"basket{number}", b"n2 can't hear this")
        clock.advance(10)
        expect_quiet(ap, clock)


def expect_quiet(cluster, clock):
    """Let ten seconds pass, and count the messages on each link."""
    cluster.net.forget()
    clock.advance(10)
    for link in [(a, b) for a in cluster.up() for b in cluster.names if a != b]:
        count = sum((message.sender, message.to) == link for message in cluster.net.messages)
        assert count <= 50, f"the number of messages from {link[0]} to {link[1]} in ten quiet seconds"


@check("bounded", coverage=False)
def test_sizes_do_not_grow_with_the_puts(ap, clock):
    """After 240 puts that each replaced the one before, contexts and disks are at most twice as big as after 24."""
    replace_in_turn(ap, 24)
    clock.advance(10)
    few = sizes(ap)
    replace_in_turn(ap, 216)
    clock.advance(10)
    many = sizes(ap)
    assert at(ap, "basket") == [[b"215"]] * 3
    for name in ap.names:
        for what in ("context", "disk"):
            most = 2 * few[name, what]
            assert many[name, what] <= most, f"the bytes of the {what} at {name} after 240 puts"


@check("bounded", coverage=False)
def test_sizes_do_not_grow_while_one_is_down(ap, clock):
    """While a replica is down, contexts and disks are after 120 puts at most twice as big as after 12."""
    with ap.crashed("n3"):
        replace_in_turn(ap, 12)
        clock.advance(10)
        few = sizes(ap)
        replace_in_turn(ap, 108)
        clock.advance(10)
        many = sizes(ap)
    for name, what in few:
        assert many[name, what] <= 2 * few[name, what], f"the bytes of the {what} at {name} after 120 puts"


def replace_in_turn(cluster, puts):
    """One put after the other, at one replica after the other, each with the context of the last."""
    up = cluster.up()
    for number in range(puts):
        here, there = up[number % len(up)], up[(number + 1) % len(up)]
        cluster[there].put("basket", b"%03d" % number, context_at(cluster, "basket", here))


def sizes(cluster):
    """By replica and kind, how many bytes the context and the disk have."""
    contexts = {(name, "context"): wire_size(context_at(cluster, "basket", name)) for name in cluster.up()}
    disks = {(name, "disk"): len(cluster.storage[name].data or b"") for name in cluster.up()}
    return contexts | disks
