"""What the replicas answer while nothing fails: one register in CP, siblings in AP."""

from model import Causality, at, context_at, ended, failed_with, schedules, values_of

from kata.grading import check, examples, settle, together


@check("register")
def test_gets_what_was_put(cp):
    """What was put at one replica is what get gives at all of them, and a later put elsewhere replaces it."""
    assert at(cp, "seat") == [[], [], []]
    cp["n3"].put("seat", b"ada")
    assert at(cp, "seat") == [[b"ada"]] * 3
    cp["n1"].put("seat", b"bob")
    cp["n2"].put("row", b"cyd")
    assert at(cp, "seat") == [[b"bob"]] * 3
    assert at(cp, "row") == [[b"cyd"]] * 3


@check("register")
def test_any_bytes_are_a_value(cp):
    """Empty and binary values are values like any other, and a context that get gave may be given to put."""
    cp["n2"].put("seat", b"")
    assert at(cp, "seat") == [[b""]] * 3
    cp["n1"].put("seat", b"\x00'\xff", context_at(cp, "seat", "n3"))
    assert at(cp, "seat") == [[b"\x00'\xff"]] * 3


@check("register")
def test_keys_that_look_alike_are_apart(cp):
    """Keys that differ by a blank, a capital or an accent alone are apart."""
    keys = ("seat", "Seat", "seat ", " seat", "se\u0301at", "s\u00e9at")
    for key in keys:
        cp["n1"].put(key, key.encode())
    assert [at(cp, key, "n3") for key in keys] == [[[key.encode()]] for key in keys]


@check("register")
def test_an_old_context_changes_nothing(cp):
    """In CP a put ignores its context: given that of an old get, it still replaces what was put since."""
    cp["n1"].put("seat", b"ada")
    context = context_at(cp, "seat", "n1")
    cp["n2"].put("seat", b"cleo")
    cp["n1"].put("seat", b"bob", context)
    assert at(cp, "seat") == [[b"bob"]] * 3


@check("register")
def test_the_wall_clock_decides_nothing(cp, clock):
    """A put replaces the one before it also when the wall clock was set back between them."""
    cp["n1"].put("seat", b"ada")
    clock.step_wall(-3600)
    cp["n2"].put("seat", b"bob")
    assert at(cp, "seat") == [[b"bob"]] * 3
    for seconds in (-3600, 7200):
        put = cp["n3"].put.start("seat", b"cyd at %d" % seconds)
        clock.advance(0.03)
        clock.step_wall(seconds)
        clock.advance(3)
        put.result()
        assert at(cp, "seat") == [[b"cyd at %d" % seconds]] * 3


@check("linearizable")
def test_puts_that_race(cp, history):
    """Of puts that race, at one replica or at several, all are answered, one is the last, and gets agree on which."""
    for number, places in enumerate((["n1"] * 3, ["n1", "n2", "n3"], ["n2"] * 3, ["n3"] * 3, ["n1", "n1", "n3"])):
        puts = settle([history.put(cp[name], "seat", b"%d.%d" % (number, each)) for each, name in enumerate(places)])
        assert [failed_with(put) for put in puts] == [None] * 3, f"what the puts at {', '.join(places)} raise"
        for name in cp.names:
            settle([history.get(cp[name], "seat")])
        history.expect_linearizable()


@check("linearizable")
def test_first_puts_that_race(cp, history):
    """Replicas that have done the same so far, and put at the same moment, agree on whose put was the last."""
    for key in ("seat 1", "seat 2", "seat 3"):
        settle([history.put(cp[name], key, name.encode()) for name in cp.names])
        for _ in range(2):
            settle([history.get(cp[name], key) for name in cp.names])
        history.expect_linearizable()


@check("linearizable")
def test_puts_of_several_keys_that_race(cp, history, clock):
    """Puts of different keys that are under way at one replica, while messages overtake each other, are all done."""
    for number, name in enumerate(cp.names * 2):
        keys = [f"seat {number}.{each}" for each in range(4)]
        with cp.net.jitter(0.1):
            settle([history.put(cp[name], key, key.encode()) for key in keys])
            settle([history.get(cp[other], key) for key in keys for other in cp.names])
        clock.advance(1)
    history.expect_linearizable()


@check("linearizable")
def test_a_get_that_begins_while_another_waits(cp, history, clock):
    """A get that begins after a put has ended gives its value, though an older get at that replica still waits."""
    for number, seconds in enumerate((0.05, 0.3, 0.55)):
        settle([history.put(cp["n2"], "seat", b"ada %d" % number)])
        with cp.net.slow(0.6, receivers={"n3"}):
            history.get(cp["n3"], "seat")
            clock.advance(seconds)
            settle([history.put(cp["n1"], "seat", b"bob %d" % number)])
            settle([history.get(cp["n3"], "seat")])
        clock.advance(1)
    history.expect_linearizable()


@check("linearizable")
def test_a_put_that_is_still_under_way(consistent, history, clock):
    """Once a get has given the value of a put that is still under way, no later get gives the one before it."""
    cluster = consistent(size=5)
    settle([history.put(cluster["n1"], "seat", b"ada")])
    for moment in (0.02, 0.07, 0.12, 0.17):
        history.put(cluster["n1"], "seat", f"slow after {moment} s".encode())
        clock.advance(moment)
        with cluster.net.slow(2, senders={"n1"}, receivers={"n3", "n4", "n5"}):
            clock.advance(0.15)
            settle([history.get(cluster["n2"], "seat")])
            with cluster.net.slow(2, senders={"n2"}, receivers={"n3"}):
                settle([history.get(cluster[name], "seat") for name in ("n3", "n4")])
        history.expect_linearizable()
        clock.advance(5)


@check("linearizable", coverage=False)
@examples(count=8, steps=schedules(["put", "get", "get"], waits=[0.06, 0.16, 0.31], length=16))
def test_any_calls_that_overlap(world, clock, consistent, new_history, steps):
    """Whatever calls overlap, while messages take up to 0.1 s more and on some links a second more, their answers are
    those of one machine."""
    world.reset()
    cluster, history = consistent(), new_history()
    with cluster.net.jitter(0.1):
        for number, (verb, name, other, seconds) in enumerate(steps):
            if verb == "put":
                history.put(cluster[name], "seat", b"v%d" % number)
            elif verb == "get":
                history.get(cluster[name], "seat")
            with cluster.net.slow(1, senders={name}, receivers={other}):
                clock.advance(seconds)
        ended(clock, history.calls)
    history.expect_linearizable()


@check("siblings")
def test_shows_its_own_puts_at_once(ap):
    """In the very next get, a replica shows what was put there."""
    assert at(ap, "basket", "n1") == [[]]
    ap["n1"].put("basket", b"tea")
    assert at(ap, "basket", "n1") == [[b"tea"]]
    ap["n1"].put("other", b"")
    assert at(ap, "other", "n1") == [[b""]]
    assert at(ap, "basket", "n1") == [[b"tea"]]


@check("siblings")
def test_puts_at_different_replicas_are_siblings(ap, clock):
    """Puts that were made at three replicas, none having seen another, are all kept everywhere."""
    for name, value in (("n1", b"tea"), ("n3", b"\xff\x00"), ("n2", b"")):
        ap[name].put("basket", value)
        clock.step_wall(-60)
    clock.advance(10)
    assert at(ap, "basket") == [[b"", b"tea", b"\xff\x00"]] * 3


@check("siblings")
def test_one_context_twice_makes_siblings(ap, clock):
    """Two puts with one context replace what came with it, but not each other, at one replica or at two."""
    ap["n1"].put("basket", b"tea")
    context = context_at(ap, "basket", "n1")
    ap["n1"].put("basket", b"tea, jam", context)
    ap["n1"].put("basket", b"tea, rum", context)
    assert at(ap, "basket", "n1") == [[b"tea, jam", b"tea, rum"]]
    ap["n2"].put("basket", b"tea, gin", context)
    clock.advance(10)
    assert at(ap, "basket") == [[b"tea, gin", b"tea, jam", b"tea, rum"]] * 3


@check("siblings")
def test_a_put_without_a_context_replaces_nothing(ap, clock):
    """Puts without a context stand side by side, also at one replica one after the other, and beside others' puts."""
    ap["n2"].put("basket", b"tea")
    ap["n2"].put("basket", b"jam")
    clock.advance(10)
    together([ap["n3"].put.start("basket", b"rum"), ap["n3"].put.start("basket", b"gin")])
    clock.advance(10)
    assert at(ap, "basket") == [[b"gin", b"jam", b"rum", b"tea"]] * 3


@check("siblings", coverage=False)
def test_forty_puts_that_have_seen_nothing(ap, clock):
    """Forty puts without a context, at all replicas, are all kept side by side everywhere."""
    values = [b"%02d" % number for number in range(40)]
    for number, value in enumerate(values):
        ap[ap.names[number % 3]].put("basket", value)
        clock.advance(0.1)
    clock.advance(10)
    assert at(ap, "basket") == [values] * 3


@check("causal")
def test_a_put_replaces_what_it_has_seen(ap, clock):
    """A put with the context of a get replaces all the values that came with it, at every replica."""
    ap["n1"].put("basket", b"tea")
    ap["n2"].put("basket", b"jam")
    clock.advance(10)
    ap["n3"].put("basket", b"tea, jam", context_at(ap, "basket", "n3"))
    assert at(ap, "basket", "n3") == [[b"tea, jam"]]
    clock.advance(10)
    assert at(ap, "basket") == [[b"tea, jam"]] * 3


@check("causal")
def test_a_context_is_good_at_any_replica(ap, clock):
    """A put replaces what it has seen also at a replica that had not heard of it, and there it never comes up."""
    ap["n1"].put("basket", b"tea")
    ap["n2"].put("basket", b"jam", context_at(ap, "basket", "n1"))
    assert at(ap, "basket", "n2") == [[b"jam"]]
    clock.advance(10)
    assert at(ap, "basket") == [[b"jam"]] * 3


@check("causal")
def test_it_replaces_what_that_had_replaced(ap, clock):
    """A put replaces what the values that it has seen had replaced, also where those were never heard of."""
    ap["n3"].put("basket", b"tea")
    clock.advance(10)
    with ap.net.partition({"n3"}, {"n1", "n2"}):
        ap["n1"].put("basket", b"jam", context_at(ap, "basket", "n1"))
        clock.advance(10)
        ap["n2"].put("basket", b"rum", context_at(ap, "basket", "n2"))
        clock.advance(10)
        assert at(ap, "basket") == [[b"rum"], [b"rum"], [b"tea"]]
    clock.advance(10)
    assert at(ap, "basket") == [[b"rum"]] * 3


@check("causal")
def test_it_replaces_what_all_five_have_put(available, clock):
    """What was replaced never comes back, though all five replicas have put since."""
    cluster = available(size=5)
    cluster["n5"].put("basket", b"0")
    clock.advance(10)
    with cluster.net.partition({"n5"}, {"n1", "n2", "n3", "n4"}):
        for number in range(1, 9):
            name = cluster.names[number % 4]
            cluster[name].put("basket", b"%d" % number, context_at(cluster, "basket", name))
            clock.advance(10)
    clock.advance(10)
    assert at(cluster, "basket") == [[b"8"]] * 5


@check("causal")
def test_a_context_that_knows_more_than_the_replica(ap, clock):
    """A put replaces what came with its context also at a replica that has heard of only a part of that."""
    ap["n1"].put("basket", b"tea")
    clock.advance(10)
    with ap.net.partition({"n3"}, {"n1", "n2"}):
        ap["n1"].put("basket", b"jam")
        ap["n3"].put("basket", b"rum", context_at(ap, "basket", "n1"))
        clock.advance(10)
        assert at(ap, "basket") == [[b"jam", b"tea"], [b"jam", b"tea"], [b"rum"]]
    clock.advance(10)
    assert at(ap, "basket") == [[b"rum"]] * 3


@check("causal")
def test_a_put_replaces_nothing_else(ap, clock):
    """A put with an old context leaves alone what was put meanwhile, here and elsewhere."""
    ap["n1"].put("basket", b"tea")
    context = context_at(ap, "basket", "n1")
    ap["n1"].put("basket", b"jam")
    ap["n2"].put("basket", b"rum")
    clock.advance(10)
    ap["n2"].put("basket", b"gin", context)
    assert at(ap, "basket", "n2") == [[b"gin", b"jam", b"rum"]]
    clock.advance(10)
    assert at(ap, "basket") == [[b"gin", b"jam", b"rum"]] * 3


@check("causal")
def test_a_context_of_nothing_replaces_nothing(ap, clock):
    """The context of a get that gave no values replaces nothing, and a context is of its key alone."""
    nothing = context_at(ap, "basket", "n2")
    ap["n1"].put("basket", b"tea")
    ap["n1"].put("other", b"x", context_at(ap, "other", "n1"))
    ap["n2"].put("basket", b"jam", nothing)
    clock.advance(10)
    assert at(ap, "basket") == [[b"jam", b"tea"]] * 3
    assert at(ap, "other") == [[b"x"]] * 3


@check("causal", coverage=False)
@examples(count=5, steps=schedules(["put", "put", "get", "get"], waits=[0.3, 1.2], length=24))
def test_any_puts_and_contexts(world, clock, available, steps):
    """After any puts, with contexts that gets gave or with none, just those values remain that no put has seen."""
    world.reset()
    cluster, model = available(), Causality()
    contexts = {"n1": ((), None), "n2": ((), None), "n3": ((), None)}
    for number, (verb, name, other, seconds) in enumerate(steps):
        if verb == "get":
            answer = cluster[name].get("basket")
            contexts[name] = (values_of(answer), answer[1])
        elif verb == "put":
            seen, context = contexts[other]
            cluster[name].put("basket", b"v%d" % number, context)
            model.put(b"v%d" % number, seen)
        clock.advance(seconds)
    clock.advance(10)
    assert at(cluster, "basket") == [model.latest()] * 3
