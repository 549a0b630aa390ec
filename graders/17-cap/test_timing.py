"""What the replicas cost: round trips, seconds until they agree, messages, and bytes that are kept."""

from model import NOISE_SECONDS, at, context_at, values_of

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
def test_a_hundred_keys(ap, clock):
    """Ten seconds after the last put of a hundred keys, all three replicas have every one."""
    baskets = {f"basket{number}": b"%d" % number for number in range(100)}
    for number, (key, value) in enumerate(baskets.items()):
        ap[ap.names[number % 3]].put(key, value)
    clock.advance(10)
    for name in ap.names:
        found = together([ap[name].get.start(key) for key in baskets], read=values_of)
        missing = [key for key, values in zip(baskets, found, strict=True) if values != [baskets[key]]]
        assert missing == [], f"the baskets of a hundred that lack their value at {name}"


@check("converge", coverage=False)
def test_is_quiet_when_nothing_is_new(ap, clock):
    """When nothing is new, a replica that has a dozen keys sends each peer at most 5 messages a second, up or down."""
    for number in range(12):
        name = ap.names[number % 3]
        ap[name].put(f"basket{number}", name.encode())
    clock.advance(13)
    expect_quiet(ap, clock)
    ap.crash("n3")
    ap["n1"].put("basket0", b"n3 can't hear this")
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


def replace_in_turn(cluster, puts):
    """One put after the other, at one replica after the other, each with the context of the last."""
    for number in range(puts):
        here, there = cluster.names[number % 3], cluster.names[(number + 1) % 3]
        cluster[there].put("basket", b"%03d" % number, context_at(cluster, "basket", here))


def sizes(cluster):
    """By replica and kind, how many bytes the context and the disk have."""
    contexts = {(name, "context"): wire_size(context_at(cluster, "basket", name)) for name in cluster.names}
    disks = {(name, "disk"): len(cluster.storage[name].data or b"") for name in cluster.names}
    return contexts | disks
