"""What the replicas do when the network is cut, messages are lost, and replicas crash."""

import itertools

from model import (
    CALL_SECONDS,
    CONVERGE_SECONDS,
    NOISE_SECONDS,
    SETTLE_SECONDS,
    Causality,
    Faults,
    at,
    context_at,
    ended,
    failed_with,
    schedules,
    values_of,
)

from kata.grading import check, examples, settle

# ---------------------------------------------------------------- minority


@check("minority")
def test_a_replica_that_is_cut_off(cp, clock):
    """A replica that is cut off raises Unavailable from get and from all puts within 3 s, and the others go on."""
    cp["n1"].put("seat", b"ada")
    with cp.net.partition({"n3"}, {"n1", "n2"}):
        clock.advance(SETTLE_SECONDS)
        cp["n2"].put("seat", b"bob")
        calls = [cp["n3"].get.start("seat")]
        calls += [cp["n3"].put.start("other", b"eve %d" % number) for number in range(12)]
        calls = ended(clock, calls)
        assert [failed_with(call) for call in calls] == ["Unavailable"] * 13, "what a get and twelve puts raise at n3"
        assert at(cp, "seat", "n1", "n2") == [[b"bob"]] * 2


@check("minority")
def test_a_moment_in_between(cp, clock):
    """A call ends within 3 s also when its replica can reach the others for a moment in between, and no longer."""
    for moment in (0.06, 0.12, 0.17, 0.25):
        with cp.net.partition({"n1"}, {"n2", "n3"}):
            clock.advance(SETTLE_SECONDS)
            cp["n3"].put("seat", b"missed by n1 %d ms" % (1000 * moment))
            calls = [cp["n1"].put.start("seat", b"%d ms" % (1000 * moment)), cp["n1"].get.start("seat")]
            clock.advance(2.3)
        clock.advance(moment)
        with cp.net.partition({"n1"}, {"n2", "n3"}):
            clock.advance(2 * CALL_SECONDS)
        for call in calls:
            assert call.done, f"whether {call} had ended"
            assert call.seconds <= CALL_SECONDS + NOISE_SECONDS, f"the seconds that {call} took"


@check("minority")
def test_cut_off_half_way(cp, clock):
    """Calls whose replica is cut off while they are under way end within 3 s, answered or as Unavailable."""
    for number, moment in enumerate((0.03, 0.08, 0.12, 0.17)):
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            cp["n1"].put("seat", b"missed by n2 %d" % number)
        calls = [cp["n2"].get.start("seat"), cp["n2"].put.start("other", b"%d" % number)]
        clock.advance(moment)
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            kinds = {failed_with(call) for call in ended(clock, calls)}
            assert kinds <= {None, "Unavailable"}, f"what a get and a put raise that are cut off after {moment} s"
        clock.advance(SETTLE_SECONDS)


@check("minority")
def test_the_clock_on_the_wall_ends_no_wait(cp, clock):
    """A replica that is cut off raises Unavailable within 3 s also when the wall clock is set back meanwhile."""
    with cp.net.partition({"n3"}, {"n1", "n2"}):
        clock.advance(SETTLE_SECONDS)
        calls = [cp["n3"].get.start("seat"), cp["n3"].put.start("seat", b"eve")]
        clock.advance(0.5)
        clock.step_wall(-3600)
        clock.advance(CALL_SECONDS)
        ends = [failed_with(call) if call.done else "still waits" for call in calls]
        assert ends == ["Unavailable"] * 2, "how a get and a put ended"


@check("minority")
def test_all_is_as_before_when_it_is_over(cp, clock):
    """After a partition, the replica that was cut off gives what the others have put, and puts can be made there."""
    with cp.net.partition({"n1"}, {"n2", "n3"}):
        clock.advance(SETTLE_SECONDS)
        cp["n3"].put("seat", b"bob")
        ended(clock, [cp["n1"].get.start("seat")])
    clock.advance(SETTLE_SECONDS)
    assert at(cp, "seat") == [[b"bob"]] * 3
    cp["n1"].put("seat", b"cyd")
    assert at(cp, "seat") == [[b"cyd"]] * 3


@check("minority")
def test_two_of_five_are_a_minority(consistent, clock):
    """Of five replicas, three go on and two can't."""
    cluster = consistent(size=5)
    with cluster.net.partition({"n1", "n2"}, {"n3", "n4", "n5"}):
        clock.advance(SETTLE_SECONDS)
        calls = ended(clock, [cluster["n1"].put.start("other", b"eve"), cluster["n2"].get.start("seat")])
        assert [failed_with(call) for call in calls] == ["Unavailable"] * 2, "what put raises at n1, and get at n2"
        cluster["n5"].put("seat", b"ada")
        assert at(cluster, "seat", "n3", "n4", "n5") == [[b"ada"]] * 3


@check("minority")
def test_half_is_no_majority(consistent, clock):
    """Of four replicas that are cut into two and two, none answers."""
    cluster = consistent(size=4)
    with cluster.net.partition({"n1", "n4"}, {"n2", "n3"}):
        clock.advance(SETTLE_SECONDS)
        calls = [cluster[name].get.start("seat") for name in cluster.names]
        calls += [cluster[name].put.start("other", b"eve") for name in ("n1", "n2")]
        assert {failed_with(call) for call in ended(clock, calls)} == {"Unavailable"}, "what the calls raise"


# ---------------------------------------------------------------- both sides


@check("both-sides")
def test_all_sides_answer_and_agree_afterwards(ap, clock):
    """Three replicas that are all cut off answer at once; afterwards all have what was put and not replaced."""
    ap["n1"].put("basket", b"tea")
    clock.advance(CONVERGE_SECONDS)
    with ap.net.partition({"n1"}, {"n2"}, {"n3"}):
        ap["n1"].put("basket", b"tea, jam", context_at(ap, "basket", "n1"))
        ap["n2"].put("basket", b"tea, rum", context_at(ap, "basket", "n2"))
        ap["n3"].put("basket", b"gin")
        clock.advance(60)
        assert at(ap, "basket") == [[b"tea, jam"], [b"tea, rum"], [b"gin", b"tea"]]
        assert clock.now == CONVERGE_SECONDS + 60, "the virtual time by now, of which puts and gets take none"
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"gin", b"tea, jam", b"tea, rum"]] * 3


@check("both-sides")
def test_the_last_that_is_up_answers(ap, clock):
    """A replica whose peers are all down answers at once, and when they are back they learn what was put."""
    with ap.crashed("n1", "n3"):
        ap["n2"].put("basket", b"tea")
        clock.advance(60)
        ap["n2"].put("basket", b"jam", context_at(ap, "basket", "n2"))
        assert at(ap, "basket", "n2") == [[b"jam"]]
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"jam"]] * 3


@check("both-sides", coverage=False)
@examples(
    count=5,
    steps=schedules(
        ["put", "put", "put", "get", "get", "isolate", "deafen", "cut", "heal", "crash", "restart"], [0.4, 1.5], 24
    ),
)
def test_any_faults_while_available(world, clock, available, steps):
    """Whatever is cut and crashes meanwhile, in the end all replicas have exactly what no put has replaced."""
    world.reset()
    cluster, model, contexts = available(), Causality(), {}
    with Faults(cluster) as faults:
        for number, (verb, name, other, seconds) in enumerate(steps):
            if verb == "get" and name in cluster.up():
                answer = cluster[name].get("basket")
                contexts[name] = (values_of(answer), answer[1])
            elif verb == "put" and name in cluster.up():
                seen, context = contexts.get(other, ((), None))
                cluster[name].put("basket", b"v%d" % number, context)
                model.put(b"v%d" % number, seen)
            faults.inflict(verb, name, other)
            clock.advance(seconds)
    clock.advance(CONVERGE_SECONDS)
    assert at(cluster, "basket") == [model.latest()] * 3


# ---------------------------------------------------------------- one way


@check("one-way", coverage=False)
def test_one_that_only_hears_or_only_speaks(cp, history, clock):
    """While one replica is not heard, or hears nothing, every CP call ends within 3 s, and all are linearizable."""
    for round_, (senders, receivers) in enumerate([({"n1"}, {"n2", "n3"}), ({"n2", "n3"}, {"n1"}), ({"n3"}, {"n1"})]):
        with cp.net.cut(senders, receivers):
            for number, name in enumerate(("n1", "n2", "n1", "n3")):
                calls = [history.put(cp[name], "seat", b"%d.%d at %s" % (round_, number, name.encode()))]
                calls += [history.get(cp[each], "seat") for each in cp.names]
                ended(clock, calls)
    clock.advance(SETTLE_SECONDS)
    for name in cp.names:
        settle([history.get(cp[name], "seat")])
    history.expect_linearizable()


@check("one-way")
def test_news_goes_round_about(ap, clock):
    """What was put at a replica reaches one that can't hear it by way of the third, within ten seconds."""
    for sender, receiver in itertools.permutations(ap.names, 2):
        with ap.net.cut({sender}, {receiver}):
            key = f"{receiver} can't hear {sender}"
            for name in ap.names:
                ap[name].put(key, name.encode())
            clock.advance(CONVERGE_SECONDS)
            assert at(ap, key) == [[b"n1", b"n2", b"n3"]] * 3


# ---------------------------------------------------------------- lossy


@check("lossy")
def test_answers_though_messages_are_lost(cp, history, clock):
    """While 3 in 10 messages are lost and the wall clock is set back, at least 36 of 40 CP calls are answered, and they
    are linearizable."""
    with cp.net.losing(share=0.3):
        for number in range(10):
            here, there = cp.names[number % 3], cp.names[(number + 1) % 3]
            settle_set_back(clock, [history.put(cp[here], "seat", b"v%d" % number), history.get(cp[there], "seat")])
            settle_set_back(clock, [history.get(cp[here], "seat"), history.get(cp[there], "seat")])
    slowest = max(call.seconds for call in history.calls)
    answered = sum(call.error is None for call in history.calls)
    history.expect_linearizable()
    assert slowest <= CALL_SECONDS, "the seconds that the slowest call took"
    assert answered >= 36, "the number of calls out of 40 that were answered"


def settle_set_back(clock, calls):
    """Let them end while the wall clock is set back in each of their two rounds: no timer may be read from it."""
    for seconds in (0.01, 0.1):
        clock.advance(seconds)
        clock.step_wall(-3600)
    settle(calls)


@check("lossy")
def test_an_answer_that_comes_twice_counts_once(consistent, clock):
    """Two replicas of five are no majority, though all their messages arrive twice."""
    cluster = consistent(size=5)
    with cluster.net.partition({"n1", "n2"}, {"n3", "n4", "n5"}), cluster.net.doubling(share=1):
        clock.advance(SETTLE_SECONDS)
        calls = ended(clock, [cluster["n1"].put.start("other", b"eve"), cluster["n2"].get.start("seat")])
        assert [failed_with(call) for call in calls] == ["Unavailable"] * 2, "what put raises at n1, and get at n2"


@check("lossy")
def test_a_message_that_comes_late_changes_nothing(cp, clock, history):
    """A message of an old put that arrives when a newer put has long ended does not bring the old value back."""
    with cp.net.slow(12, senders={"n1"}, receivers={"n3"}):
        settle([history.put(cp["n1"], "seat", b"old")])  # which a leader, if it is n3, hears of too late
    with cp.net.partition({"n1"}, {"n2", "n3"}):
        clock.advance(SETTLE_SECONDS)
        history.put(cp["n2"], "seat", b"new").result()
    clock.advance(10)
    with cp.net.partition({"n2"}, {"n1", "n3"}):
        clock.advance(SETTLE_SECONDS)
        for name in ("n1", "n3"):
            history.get(cp[name], "seat").result()
    history.expect_linearizable()


@check("lossy", coverage=False)
def test_every_message_comes_again(cp, history, clock):
    """While every message arrives again up to 2 s later, no put takes effect for a second time."""
    with cp.net.doubling(share=1, seconds=2):
        for number in range(12):
            settle([history.put(cp[cp.names[number % 3]], "seat", b"v%d" % number)])
            settle([history.get(cp[cp.names[number % 2]], "seat")])
            if number % 4 == 3:
                clock.advance(2.5)  # all has come again
                settle([history.get(cp[cp.names[number % 2]], "seat")])
            history.expect_linearizable()


@check("lossy")
def test_gossip_that_comes_twice_and_late(ap, clock):
    """Messages that are lost, come twice, late and out of order bring nothing back and lose nothing in AP."""
    with ap.net.losing(share=0.3), ap.net.doubling(share=0.5), ap.net.jitter(3):
        for number in range(9):
            name = ap.names[number % 3]
            ap[name].put("basket", b"v%d" % number, context_at(ap, "basket", name))
            clock.advance(4)
        ap["n2"].put("basket", b"a", context_at(ap, "basket", "n2"))
        ap["n2"].put("basket", b"b")
    kept = at(ap, "basket", "n2")[0]
    clock.advance(CONVERGE_SECONDS)
    assert {b"a", b"b"} <= set(kept), "the values at n2 after the last puts there"
    first, *others = at(ap, "basket")
    assert others == [first] * 2, "the values at n2 and n3, beside those at n1"


# ---------------------------------------------------------------- crash


@check("crash")
def test_all_crash_at_once_in_cp(cp, clock):
    """What CP replicas have put, any bytes, is there when all of them have crashed at once and started again."""
    cp["n2"].put("seat", b"ada")
    cp["n3"].put("seat", b"\xff\x00'bob")
    cp["n1"].put("row", b"")
    with cp.crashed(*cp.names):
        clock.advance(1)
    clock.advance(SETTLE_SECONDS)
    assert at(cp, "seat") == [[b"\xff\x00'bob"]] * 3
    assert at(cp, "row") == [[b""]] * 3
    cp["n1"].put("seat", b"cyd")
    assert at(cp, "seat") == [[b"cyd"]] * 3


@check("crash")
def test_a_majority_keeps_its_word(cp, clock):
    """A value that two of three CP replicas held is there when one of them has restarted, and the other is gone."""
    cp["n1"].put("seat", b"old")
    with cp.crashed("n3"):
        clock.advance(SETTLE_SECONDS)
        cp["n1"].put("seat", b"new")
        with cp.crashed("n2"):
            clock.advance(1)
        clock.advance(0.01)
        cp.crash("n1")
    clock.advance(SETTLE_SECONDS)
    assert at(cp, "seat", "n2", "n3") == [[b"new"]] * 2


@check("crash")
def test_an_older_value_elsewhere(cp, clock):
    """A value that two of three CP replicas held is there also when one of them restarts beside one that has missed it,
    and the other is gone."""
    cp["n1"].put("seat", b"old")
    with cp.net.partition({"n3"}, {"n1", "n2"}):
        clock.advance(SETTLE_SECONDS)
        cp["n1"].put("seat", b"new")
        cp.crash("n1")
        cp.crash("n2")
    cp.start("n2")
    clock.advance(SETTLE_SECONDS)
    assert at(cp, "seat", "n2", "n3") == [[b"new"]] * 2


@check("crash", coverage=False)
def test_a_crash_right_after_a_message(cp, history, clock):
    """What a CP replica has told another in a message is there after a crash that comes right behind that message."""
    for sends in range(4):
        settle([history.put(cp["n1"], "seat", b"before %d" % sends)])
        with cp.crashed("n3"):
            clock.advance(SETTLE_SECONDS)
            cp.crash_at_send("n2", sends, leaves=True)
            ended(clock, [history.put(cp["n1"], "seat", b"told %d" % sends)])
            cp.call_off_crashes()
            cp.crash("n1")
        if "n2" not in cp.up():
            cp.start("n2")
        clock.advance(SETTLE_SECONDS)
        settle([history.get(cp["n2"], "seat"), history.get(cp["n3"], "seat")])
        cp.start_all()
        clock.advance(SETTLE_SECONDS)
        history.expect_linearizable()


@check("crash")
def test_what_only_its_replica_had(cp, history, clock):
    """A value that a get has given stays also when the one replica that had it crashes at once and is started again."""
    for number in range(3):
        settle([history.put(cp["n2"], "seat", b"ada %d" % number)])
        with cp.net.partition({"n3"}, {"n1", "n2"}):
            put = put_that_one_get_sees(cp, history, clock, b"bob %d" % number)
            with cp.crashed("n1"):
                ended(clock, [put])
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            settle([history.get(cp["n1"], "seat"), history.get(cp["n3"], "seat")])
        clock.advance(SETTLE_SECONDS)
        history.expect_linearizable()


def put_that_one_get_sees(cp, history, clock, value):
    """A put at n1 whose second round n2 hears of late, if at all, and a get there that n1 answers meanwhile."""
    put = history.put(cp["n1"], "seat", value)
    clock.advance(0.06)
    get = history.get(cp["n2"], "seat")
    clock.advance(0.02)
    with cp.net.slow(2, senders={"n1"}, receivers={"n2"}):
        clock.advance(0.025)
    settle([get])
    return put


@check("crash")
def test_a_crash_while_it_pushes(ap, clock):
    """An AP put that a crash has cut short is forgotten or kept, here and elsewhere, and takes no other's place."""
    for sends, leaves in ((0, True), (1, True), (1, False)):
        key = f"basket {sends} {leaves}"
        ap.crash_at_send("n1", sends, leaves=leaves)
        cut_short = ap["n1"].put.start(key, b"tea")
        clock.advance(3)
        ap.call_off_crashes()
        ap.start_all()
        ap["n1"].put(key, b"jam")
        clock.advance(CONVERGE_SECONDS)
        first, *others = at(ap, key)
        assert others == [first] * 2, f"the values of {key!r} at n2 and n3, beside those at n1"
        assert b"jam" in first, f"whether the put after the crash is there, in {first}"
        if not cut_short.killed:
            assert b"tea" in first, f"whether the put before the crash is there, which had ended, in {first}"


@check("crash")
def test_a_context_outlives_a_crash(ap, clock):
    """In AP, a context that a replica gave before a crash is good there after it."""
    ap["n1"].put("basket", b"tea")
    context = context_at(ap, "basket", "n1")
    with ap.crashed("n1"):
        clock.advance(1)
    ap["n1"].put("basket", b"jam", context)
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"jam"]] * 3


@check("crash")
def test_what_was_asked_before_a_crash(cp, clock):
    """Answers to what a replica had asked before a crash, arriving after it, don't hide what was put since."""
    cp["n2"].put("seat", b"old")
    with cp.crashed("n1"):
        clock.advance(1)
    clock.advance(SETTLE_SECONDS)
    with cp.net.slow(11, senders={"n2", "n3"}, receivers={"n1"}):
        cp["n1"].get.start("seat")
        clock.advance(0.06)
    with cp.net.partition({"n1"}, {"n2", "n3"}), cp.crashed("n1"):
        clock.advance(SETTLE_SECONDS)
        put = cp["n2"].put.start("seat", b"new")
        clock.advance(1)
        put.result()
    clock.advance(SETTLE_SECONDS)
    assert at(cp, "seat", "n1") == [[b"new"]], "the values at n1, a moment before those answers arrive"


@check("crash")
def test_a_put_is_on_the_disk_when_it_ends_in_ap(ap, clock):
    """An AP put that ended is there after a crash that left no time for gossip, and so are its replacements."""
    ap["n1"].put("basket", b"tea")
    ap["n1"].put("basket", b"jam\xff\x00", context_at(ap, "basket", "n1"))
    ap["n2"].put("basket", b"")
    with ap.crashed("n1", "n2"):
        clock.advance(1)
    assert at(ap, "basket", "n1", "n2") == [[b"jam\xff\x00"], [b""]]
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"", b"jam\xff\x00"]] * 3


@check("crash")
def test_puts_before_and_after_a_crash_are_siblings(ap, clock):
    """In AP, a put after a restart that has not seen one before the crash stands beside it, here and elsewhere."""
    ap["n1"].put("basket", b"tea")
    clock.advance(CONVERGE_SECONDS)
    context = context_at(ap, "basket", "n2")
    with ap.crashed("n1"):
        clock.advance(1)
    ap["n1"].put("basket", b"jam")
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"jam", b"tea"]] * 3
    ap["n1"].put("basket", b"rum", context)
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"jam", b"rum"]] * 3


@check("crash")
def test_what_was_replaced_before_a_crash(ap, clock):
    """In AP, a put after a restart is kept also when all that the replica had put before was replaced elsewhere."""
    ap["n1"].put("basket", b"tea")
    clock.advance(CONVERGE_SECONDS)
    ap["n2"].put("basket", b"jam", context_at(ap, "basket", "n2"))
    clock.advance(CONVERGE_SECONDS)
    with ap.crashed("n1"):
        clock.step_wall(-3600)
    ap["n1"].put("basket", b"rum")
    clock.advance(CONVERGE_SECONDS)
    assert at(ap, "basket") == [[b"jam", b"rum"]] * 3


@check("crash")
def test_what_was_heard_before_a_crash(ap, clock):
    """In AP, what a replica had heard to be replaced does not come back there when it has crashed and started again."""
    ap["n1"].put("basket", b"tea")
    clock.advance(CONVERGE_SECONDS)
    ap.crash("n3")  # it would say the same again
    ap["n2"].put("basket", b"jam", context_at(ap, "basket", "n2"))
    for _ in range(round(CONVERGE_SECONDS / 0.2)):
        clock.advance(0.2)
        if at(ap, "basket", "n1") == [[b"jam"]]:
            break  # and at this very moment it crashes
    assert at(ap, "basket", "n1") == [[b"jam"]]
    with ap.crashed("n1"):
        clock.advance(1)
    assert at(ap, "basket", "n1") == [[b"jam"]]


# ---------------------------------------------------------------- indefinite


@check("indefinite", coverage=False)
def test_one_get_saw_it(cp, history, clock):
    """When a get has given the value of a put that ended in Unavailable, no later get gives the one before it."""
    settle([history.put(cp["n2"], "seat", b"ada")])
    others = {"n2", "n3"}
    rounds = itertools.product((0.02, 0.07, 0.12, 0.17), [({"n1"}, others), (others, {"n1"})])
    for number, (moment, (senders, receivers)) in enumerate(rounds):
        # The fifth is the one that may be on n1 alone: there a value of no bytes is easily taken for none.
        put = history.put(cp["n1"], "seat", b"" if number == 4 else b"cut off %d" % number)
        clock.advance(moment)
        with cp.net.cut(senders, receivers):
            settle([history.get(cp["n2"], "seat")])
            ended(clock, [put])
        clock.advance(SETTLE_SECONDS)
        settle([history.get(cp["n1"], "seat")])
        with cp.net.partition({"n1"}, others):
            clock.advance(SETTLE_SECONDS)
            settle([history.get(cp["n2"], "seat")])
        history.expect_linearizable()


@check("indefinite")
def test_what_a_get_at_one_of_five_saw(consistent, history, clock):
    """When a get at one of five has given a value that only two of them have, no later get gives the one before it."""
    cluster = consistent(size=5)
    settle([history.put(cluster["n4"], "seat", b"ada")])
    for number in range(2):
        put_that_two_of_five_have(cluster, history, clock, b"bob %d" % number)
        with cluster.net.partition({"n1", "n2"}, {"n3", "n4", "n5"}):
            clock.advance(SETTLE_SECONDS)
            settle([history.get(cluster["n3"], "seat")])
        clock.advance(SETTLE_SECONDS)
        history.expect_linearizable()


def put_that_two_of_five_have(cluster, history, clock, value):
    """A put whose second round reaches nobody; a get at n2 that n1 and n3 answer, and whose news n1 alone can hear."""
    rest = {"n3", "n4", "n5"}
    put = history.put(cluster["n1"], "seat", value)
    clock.advance(0.12)
    with cluster.net.cut({"n1"}, {"n2"} | rest):
        clock.advance(0.1)
    with cluster.net.cut({"n1"}, rest), cluster.net.slow(2, senders={"n4", "n5"}, receivers={"n2"}):
        get = history.get(cluster["n2"], "seat")
        clock.advance(0.06)
        with cluster.net.cut({"n2"}, rest):
            ended(clock, [put, get])


@check("indefinite")
def test_what_a_get_saw_stays(cp, history, clock):
    """When a get has given the value of a put, it stays also where the put has ended in Unavailable."""
    settle([history.put(cp["n2"], "seat", b"ada")])
    for key in ("seat", "nobody's seat"):
        with cp.net.partition({"n3"}, {"n1", "n2"}):
            clock.advance(SETTLE_SECONDS)
            put_and_see(cp, history, clock, key)
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            settle([history.get(cp["n1"], key), history.get(cp["n3"], key)])
        history.expect_linearizable()


def put_and_see(cp, history, clock, key):
    """A put at n1 that hears no acknowledgement of n2, and a get there that hears n2 for a moment."""
    put = history.put(cp["n1"], key, b"bob")
    clock.advance(0.12)
    with cp.net.cut({"n2"}, {"n1"}):
        clock.advance(0.1)
    get = history.get(cp["n1"], key)
    clock.advance(0.105)  # time for that round trip, and for no other
    with cp.net.cut({"n2"}, {"n1"}):
        ended(clock, [put, get])


@check("indefinite")
def test_a_put_that_waits_long_takes_effect_once(cp, history, clock):
    """A put that hears no answers for a while does not take effect again behind one that has replaced it meanwhile."""
    for number, seconds in enumerate((0.5, 1.2, 1.9)):
        settle([history.put(cp["n3"], "seat", b"ada %d" % number)])
        put = history.put(cp["n1"], "seat", b"bob %d" % number)
        clock.advance(0.12)
        with cp.net.cut({"n2", "n3"}, {"n1"}):
            clock.advance(0.1)
            settle([history.get(cp["n2"], "seat")])
            settle([history.put(cp["n2"], "seat", b"cyd %d" % number)])
            settle([history.get(cp["n3"], "seat")])
            clock.advance(seconds)
        ended(clock, [put])
        settle([history.get(cp["n2"], "seat")])
        clock.advance(SETTLE_SECONDS)
        settle([history.get(cp["n3"], "seat")])
        history.expect_linearizable()


@check("indefinite")
def test_a_put_takes_effect_once(cp, history, clock):
    """A put whose acknowledgements were lost does not take effect again after another put has replaced it."""
    settle([history.put(cp["n3"], "seat", b"ada")])
    history.put(cp["n1"], "seat", b"bob")
    clock.advance(0.12)
    with cp.net.cut({"n2", "n3"}, {"n1"}):
        clock.advance(0.1)
        settle([history.get(cp["n2"], "seat")])
        settle([history.put(cp["n2"], "seat", b"cyd")])
        settle([history.get(cp["n3"], "seat")])
    for seconds in (0.3, 1, 3):
        clock.advance(seconds)
        settle([history.get(cp["n2"], "seat")])
    history.expect_linearizable()


@check("indefinite")
def test_a_put_is_cut_short_by_a_crash(cp, history, clock):
    """A put that a crash cut short between two messages takes effect once or never, whatever is put later."""
    for sends in (1, 2, 3, 5):
        settle([history.put(cp["n2"], "seat", b"before %d" % sends)])
        cp.crash_at_send("n1", sends)
        ended(clock, [history.put(cp["n1"], "seat", b"cut short %d" % sends)])
        cp.call_off_crashes()
        clock.advance(SETTLE_SECONDS)
        in_turn([(history.get, cp["n2"]), (history.put, cp["n3"], b"meanwhile %d" % sends)])
        cp.start_all()
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            in_turn([(history.get, cp["n3"]), (history.put, cp["n1"], b"after %d" % sends)])
        clock.advance(SETTLE_SECONDS)
        in_turn([(history.get, cp[name]) for name in cp.names])
        history.expect_linearizable()


@check("indefinite")
def test_a_put_after_one_that_was_cut_short(cp, history, clock):
    """A put that a crash cut short and the next one of that replica are two: gets agree on which came last."""
    for sends in (1, 2, 3, 4):
        with cp.crashed("n1"):  # so that both of its lives begin alike
            settle([history.put(cp["n2"], "seat", b"before %d" % sends)])
        clock.advance(SETTLE_SECONDS)
        cp.crash_at_send("n1", sends)
        ended(clock, [history.put(cp["n1"], "seat", b"cut short %d" % sends)])
        cp.call_off_crashes()
        cp.start_all()
        with cp.net.partition({"n2"}, {"n1", "n3"}):
            clock.advance(SETTLE_SECONDS)
            in_turn([(history.put, cp["n1"], b"the next %d" % sends)])
        clock.advance(SETTLE_SECONDS)
        in_turn([(history.get, cp[name]) for name in cp.names * 2])
        history.expect_linearizable()


def in_turn(calls):
    """One call of "seat" after another, whatever comes of each."""
    for method, replica, *value in calls:
        settle([method(replica, "seat", *value)])


@check("indefinite", coverage=False)
@examples(
    count=6,
    steps=schedules(
        ["put", "put", "get", "get", "get", "isolate", "deafen", "mute", "heal", "crash", "stumble", "restart"],
        [0.06, 0.16, 0.3, 1],
        24,
    ),
)
def test_any_faults_while_consistent(world, clock, consistent, new_history, steps):
    """Whatever is cut and crashes meanwhile, all answers in CP are those of one machine."""
    world.reset()
    cluster, history = consistent(), new_history()
    with Faults(cluster) as faults:
        for number, (verb, name, other, seconds) in enumerate(steps):
            if verb == "put" and name in cluster.up():
                history.put(cluster[name], "seat", b"v%d" % number)
            elif verb == "get" and name in cluster.up():
                history.get(cluster[name], "seat")
            faults.inflict(verb, name, other)
            clock.advance(seconds)
    ended(clock, history.calls)
    clock.advance(SETTLE_SECONDS)
    for name in cluster.names:
        settle([history.get(cluster[name], "seat")])
    history.expect_linearizable()
