"""What the database answers, to one transaction and to many that overlap."""

import pytest
from model import ODD, ORDERS, begin, does_nothing_more, in_order, play, schedules, state_of, value

from kata.grading import check, examples, named
from kata.grading.disk import Disk
from kata.grading.serializability import History

# ---------------------------------------------------------------- basics


@check("basics")
def test_what_was_committed_is_seen(database):
    """What one transaction commits the next one reads; a later write replaces it, and a delete removes it."""
    one = begin(database)
    assert one.get("stock") is None
    one.put("stock", b"20")
    one.put("price", b"7.50")
    one.commit()
    two = begin(database)
    assert two.get("stock") == b"20"
    two.put("stock", b"19")
    two.delete("price")
    two.commit()
    three = begin(database)
    assert three.get("stock") == b"19"
    assert three.get("price") is None


@check("basics")
def test_it_sees_its_own_writes(database, write):
    """A transaction reads what it has written itself, in get and in scan, and what it has deleted is not there."""
    write(bell=b"3", saddle=b"1", tyre=b"20")
    one = begin(database)
    one.put("saddle", b"0")
    one.put("saddle", b"2")
    one.delete("tyre")
    one.put("rim", b"")
    assert one.get("saddle") == b"2"
    assert one.get("tyre") is None
    assert one.scan("") == [("bell", b"3"), ("rim", b""), ("saddle", b"2")]
    assert one.scan("a", "saddle") == [("bell", b"3"), ("rim", b"")]
    one.put("tyre", b"21")
    assert one.get("tyre") == b"21"


@check("basics")
def test_scan_gives_a_range_in_order(database, write):
    """A range has its start and not its end, in the order of text; without an end it goes to the last key."""
    write(**{key: key.encode() for key in ("b", "a", "🚄", "ä", "\U0010ffff!", "\ufffd", "B", "ab", "c", "")})
    one = begin(database)
    assert one.scan("a", "b") == [("a", b"a"), ("ab", b"ab")]
    assert one.scan("b", "ä") == [("b", b"b"), ("c", b"c")]
    assert one.scan("c") == [(key, key.encode()) for key in ("c", "ä", "\ufffd", "🚄", "\U0010ffff!")]
    assert one.scan("", "b") == [("", b""), ("B", b"B"), ("a", b"a"), ("ab", b"ab")]
    assert one.scan("x", "y") == []
    assert one.scan("c", "a") == one.scan("b", "b") == one.scan("", "") == []


@check("basics")
def test_any_text_and_any_bytes(database, reopened, disk, write):
    """The empty key and the empty value are ones like any other, and so are odd ones, also after opening again."""
    odd = {**ODD, "a long key" * 7_000: bytes(range(256)) * 280}
    write(**odd)
    assert state_of(database) == odd, "what the database holds"
    assert state_of(reopened(disk)) == odd, "what it holds when it is opened again"


@check("basics")
def test_it_is_there_when_it_is_opened_again(reopened, disk, write):
    """A database that is opened by a new process holds what was committed, and takes more."""
    write(bell=b"3", saddle=b"1")
    again = reopened(disk)
    one = begin(again)
    assert one.get("bell") == b"3"
    one.put("bell", b"2")
    one.delete("saddle")
    one.commit()
    assert state_of(again) == {"bell": b"2"}, "what the database holds"
    assert state_of(reopened(disk)) == {"bell": b"2"}, "what it holds when it is opened once more"


# ---------------------------------------------------------------- rollback


@check("rollback")
def test_what_was_rolled_back_never_was(database, reopened, disk, held, write):
    """After a rollback all is as before, now and after opening again."""
    write(saddle=b"1", tyre=b"20")
    one = begin(database)
    one.put("saddle", b"7")
    one.put("saddle", b"0")
    one.delete("tyre")
    one.put("rim", b"5")
    one.rollback()
    assert held() == {"saddle": b"1", "tyre": b"20"}, "what the database holds after the rollback"
    write(bell=b"3")
    assert state_of(reopened(disk)) == {"bell": b"3", "saddle": b"1", "tyre": b"20"}, "what it holds when opened again"


@check("rollback")
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_who_is_over_does_nothing_more(database, held, end):
    """A transaction that is over raises RuntimeError, changes nothing, and can be rolled back in vain."""
    for method, *arguments in (("put", "saddle", b"1"), ("get", "saddle")):
        one = begin(database)
        getattr(one, method)(*arguments)
        getattr(one, end)()
        before = held()
        does_nothing_more(one)
        assert held() == before, "what the database holds"


@check("rollback")
def test_who_was_aborted_does_nothing_more(history, held, write):
    """A transaction that Conflict has ended is over like any other: it raises RuntimeError, and changes nothing."""
    write(saddle=b"1")
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        each.get("saddle")
        each.put("saddle", each.record.name.encode())
    aborted = [each for each in (one, two) if not each.commit()]
    before = held()
    for each in aborted:
        does_nothing_more(each.transaction)
    assert held() == before, "what the database holds"


# ---------------------------------------------------------------- isolation


@check("isolation")
def test_nobody_sees_what_is_not_committed(history, write):
    """What a transaction has put or deleted and not committed, no other reads."""
    write(saddle=b"1", tyre=b"20")
    writer, one, two = history.begin("the writer"), history.begin("one reader"), history.begin("another")
    writer.put("saddle", b"0")
    writer.put("rim", b"5")
    writer.delete("tyre")
    seen = [one.get("saddle"), one.get("rim"), one.get("tyre"), two.scan("")]
    allowed = [b"1", None, b"20", [("saddle", b"1"), ("tyre", b"20")]]
    for answer, right in zip(seen, allowed, strict=True):
        # None is also what a reader has that was aborted for it.
        assert answer in (right, None), "what another reads while nothing is committed"


@check("isolation")
def test_what_was_rolled_back_is_not_seen_either(history, write):
    """Who reads after a rollback reads what was there before it, and who had begun before it does, too."""
    write(saddle=b"1")
    early, writer = history.begin("an early reader"), history.begin("the writer")
    writer.put("saddle", b"0")
    writer.rollback()
    assert early.get("saddle") in (b"1", None), "what is read after the rollback by who had begun before"
    early.rollback()
    assert history.begin("a late reader").get("saddle") == b"1", "what is read by who begins after the rollback"


@check("isolation")
def test_what_was_committed_is_seen_by_who_begins_later(database, history):
    """A transaction that begins after a commit sees it, also when older ones are still under way."""
    history.begin("an old one").get("something else")
    for number in range(5):
        writer = history.begin(f"writer {number}")
        writer.put("saddle", b"%d" % number)
        assert writer.commit() is True, "whether it was committed; nobody was in its way"
        reader = begin(database)
        assert reader.get("saddle") == b"%d" % number
        reader.rollback()


# ---------------------------------------------------------------- serializable


@check("serializable")
def test_no_update_is_lost(history, held, write):
    """Two that read a number and write one less can't both have read the same."""
    write(saddle=b"2")
    one, two = history.begin("one"), history.begin("two")
    for each, left in ((one, b"1, says one"), (two, b"1, says two")):
        each.get("saddle")
        each.put("saddle", left)
    ends = [one.commit(), two.commit()]
    assert sum(ends) <= 1, "how many of the two were committed, both having read 2"
    assert held()["saddle"] == (b"1, says one" if ends[0] else b"1, says two"), "what is left"


@check("serializable")
def test_nothing_is_taken_twice(history, write):
    """Two that read a key and delete it can't both have found it."""
    write(saddle=b"the last one")
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        each.get("saddle")
        each.delete("saddle")
        each.put(f"sold by {each.record.name}", b"a saddle")
    assert one.commit() + two.commit() <= 1, "how many of the two were committed, both having found the last saddle"


@check("serializable")
def test_a_long_transaction(history, write):
    """What a transaction has read still counts when a hundred more were committed, and the files tidied up."""
    write(saddle=b"2")
    one, two = history.begin("a long one"), history.begin("another")
    for each in (one, two):
        each.get("saddle")
        each.put("saddle", each.record.name.encode())
    first = two.commit()
    for number in range(100):
        write(**{f"key/{number % 3}": value(number, 900)})
    assert first + one.commit() <= 1, "how many of the two were committed, both having read 2"


@check("serializable")
@pytest.mark.parametrize("order", ORDERS)
def test_no_write_skew(history, write, order):
    """Two that read both of two keys and write one each can't both be committed."""
    write(ada=b"on call", bob=b"on call")
    one, two = history.begin("one"), history.begin("two")
    reads = [(each.get, key) for each in (one, two) for key in ("ada", "bob")]
    in_order(order, reads, [(one.put, "ada", b"off"), (two.put, "bob", b"off")])
    assert one.commit() + two.commit() <= 1, "how many were committed, each having seen the other on call"


@check("serializable")
@pytest.mark.parametrize("order", ORDERS)
def test_no_write_skew_over_what_is_not_there(history, order):
    """That a key isn't there is something that one has read: two can't both be the first."""
    one, two = history.begin("one"), history.begin("two")
    reads = [(one.get, "nick/ada"), (two.get, "name/ada")]
    in_order(order, reads, [(one.put, "name/ada", b"taken"), (two.put, "nick/ada", b"taken")])
    assert one.commit() + two.commit() <= 1, "how many were committed, each having found the other's key missing"


@check("serializable")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("change", ["added", "added at its start", "deleted", "changed"])
def test_no_phantom(history, write, change, order):
    """Two that scan a range and write what they found can't both miss what the other adds, deletes or changes in it."""
    write(**{"shift/1": b"ada", "shift/5": b"bob"})
    one, two = history.begin("one"), history.begin("two")
    reads = [(each.scan, "shift/", "shift0") for each in (one, two)]
    writes = [(each.put, f"total of {each.record.name}", b"2") for each in (one, two)]
    if change == "added":
        writes += [(one.put, "shift/2", b"cyd"), (two.put, "shift/3", b"cyd")]
    elif change == "added at its start":
        writes += [(one.put, "shift/", b"cyd"), (two.put, "shift/", b"cyd")]
    elif change == "deleted":
        writes += [(one.delete, "shift/1"), (two.delete, "shift/5")]
    else:
        writes += [(one.put, "shift/1", b"dan"), (two.put, "shift/5", b"dan")]
    in_order(order, reads, writes)
    assert one.commit() + two.commit() <= 1, "how many were committed, each having missed what the other did"


@check("serializable")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("start", ["log/", "\U0010ffff"])
def test_no_phantom_at_the_end(history, write, start, order):
    """A range without an end has no last key: two that have scanned it can't both miss what the other adds behind."""
    write(**{"log/1": b"ada"})
    one, two = history.begin("one"), history.begin("two")
    reads = [(each.scan, "log/") for each in (one, two)]
    in_order(order, reads, [(one.put, f"{start}2", b"bob"), (two.put, f"{start}3", b"cyd")])
    assert one.commit() + two.commit() <= 1, "how many were committed, each having missed what the other added"


@check("serializable")
@pytest.mark.parametrize("beside", [[], [("shift/", "shift/1")], [("price/", "price0")]])
def test_no_phantom_where_nothing_was(history, beside):
    """Two that have found a range empty can't both be the first in it, whatever else they have scanned after that."""
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        for start, end in (("shift/", "shift0"), *beside):
            assert each.scan(start, end) in ([], None), "what a scan gives where nothing is"
    one.put("shift/2", b"ada")
    two.put("shift/3", b"bob")
    assert one.commit() + two.commit() <= 1, "how many were committed, each having found nobody"


@check("serializable")
def test_a_reader_sees_one_moment(history, held, write):
    """One that reads a key before another's commit and a second key after it is not committed."""
    write(giro=b"100", safe=b"50")
    reader, mover = history.begin("the reader"), history.begin("the mover")
    reader.get("giro")
    mover.put("giro", b"70")
    mover.put("safe", b"80")
    moved = mover.commit()
    reader.get("safe")
    reader.put("sum", b"of both")
    if reader.commit() and moved:
        seen = [step.answer for step in reader.record.steps[:2]]
        assert seen in ([b"100", b"50"], [b"70", b"80"]), "what the reader has seen of giro and safe, and committed"


@check("serializable")
def test_a_scan_is_of_the_same_moment(history, held):
    """One that only reads, a key before another's commit and a range after it, sees one moment or is not committed."""
    begin_with(history, giro=b"100", safe=b"50")
    reader, mover = history.begin("the reader"), history.begin("the mover")
    reader.get("giro")
    mover.put("giro", b"70")
    mover.put("safe", b"80")
    mover.commit()
    reader.scan("safe")
    reader.commit()
    history.expect_serializable(held().items())


@check("serializable")
def test_who_is_committed_before_another_begins(history, held):
    """One that has seen what began after a commit has also seen that commit, or is not committed itself."""
    begin_with(history, giro=b"100")
    reader, first = history.begin("the reader"), history.begin("the first of two")
    reader.get("safe")
    first.put("safe", b"50")
    first.commit()
    second = history.begin("the second of two")
    second.put("giro", b"50")
    second.commit()
    reader.get("giro")
    reader.commit()
    history.expect_serializable(held().items())


@check("serializable")
def test_a_deletion_comes_last_or_not_at_all(history, held):
    """Who deletes a key that isn't there, and must come after one that has put it meanwhile, leaves it deleted."""
    begin_with(history, giro=b"0")
    one, two = history.begin("one"), history.begin("two")
    one.delete("saddle")
    two.get("giro")
    two.put("saddle", b"1")
    two.commit()
    one.put("giro", b"5")
    one.commit()
    history.expect_serializable(held().items())


@check("serializable")
def test_to_delete_what_is_not_there_is_to_write(history, held):
    """Who has deleted a key that wasn't there doesn't find it later, though another has put it there meanwhile."""
    one, two = history.begin("one"), history.begin("two")
    one.delete("saddle")
    two.put("saddle", b"1")
    two.commit()
    one.get("saddle")
    one.put("tyre", b"20")
    one.commit()
    history.expect_serializable(held().items())


def begin_with(history, **writes):
    """What is there at first, from a transaction that is judged with the others."""
    first = history.begin("the first")
    for key, content in writes.items():
        first.put(key, content)
    first.commit()


@check("serializable")
def test_who_begins_and_waits(history, held):
    """Who begins, and reads only after another's commit, reads what that one has left, or is in its way."""
    begin_with(history, saddle=b"2")
    one, two = history.begin("one"), history.begin("two")
    two.put("saddle", b"1")
    two.commit()
    one.get("saddle")
    one.put("tyre", b"20")
    one.put("saddle", b"one less than that")
    one.commit()
    history.expect_serializable(held().items())


@check("serializable")
@pytest.mark.parametrize("end", ["commits first", "commits last"])
def test_a_reader_may_be_the_third(history, held, end):
    """Of a reader and two writers that see each other's past, not all are committed: no order explains what it read."""
    begin_with(history, giro=b"0", safe=b"0")
    drawer, payer = history.begin("the one who draws"), history.begin("the one who pays in")
    for key in ("giro", "safe"):
        drawer.get(key)
    payer.get("safe")
    payer.put("safe", b"20")
    payer.commit()
    reader = history.begin("the reader")
    reader.get("giro")
    reader.get("safe")
    drawer.put("giro", b"-11: with a fee, since both were empty")
    for each in (reader, drawer) if end == "commits first" else (drawer, reader):
        each.commit()
    history.expect_serializable(held().items())


@check("serializable")
def test_to_put_what_is_there_is_to_write(history, held):
    """A put of the very value that is there is a write: what another has put meanwhile is not left beside it."""
    begin_with(history, giro=b"0", safe=b"0")
    one, two = history.begin("one"), history.begin("two")
    one.put("giro", b"0")
    one.put("safe", b"1")
    two.put("giro", b"2")
    two.put("safe", b"2")
    two.commit()
    one.commit()
    history.expect_serializable(held().items())


@check("serializable")
@pytest.mark.parametrize("order", ORDERS)
def test_a_scan_of_what_is_its_own(history, order):
    """A range in which one has found nothing but its own writes is a range that it has read."""
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        each.put(f"shift/{each.record.name}", b"on call")
    reads = [(each.scan, "shift/", "shift0") for each in (one, two)]
    in_order(order, reads, [(each.put, f"total of {each.record.name}", b"1") for each in (one, two)])
    assert one.commit() + two.commit() <= 1, "how many were committed, each having found itself alone"


@check("serializable")
@examples(count=12, steps=schedules)
def test_any_transactions_that_overlap(begin_history, steps):
    """However four transactions at a time overlap, those that are committed could have run one after another."""
    database, history = begin_history()
    play(history, steps)
    history.expect_serializable(state_of(database).items())


# ---------------------------------------------------------------- conflicts


@check("conflicts")
def test_different_keys_are_no_conflict(history):
    """Five that overlap and touch keys of their own are all committed, whatever order they end in."""
    five = [history.begin(name) for name in ("one", "two", "three", "four", "five")]
    for number, each in enumerate(five):
        each.get(f"stock/{number}")
        each.put(f"stock/{number}", b"%d" % number)
        each.scan(f"sold/{number}", f"sold/{number}/")
        each.delete(f"sold/{number}")
    assert [each.commit() for each in reversed(five)] == [True] * 5, "whether each was committed"


@check("conflicts")
def test_many_different_keys_are_no_conflict(history):
    """Forty that overlap are all committed, each with a key of its own, however much alike their keys are."""
    forty = [history.begin(f"number {number}") for number in range(40)]
    for number, each in enumerate(forty):
        each.get(f"the stock of the shop in the High Street/{number}")
        each.put(f"the stock of the shop in the High Street/{number}", b"1")
    assert sum(each.commit() for each in forty) == 40, "how many of the 40 were committed"


@check("conflicts")
def test_much_that_was_read_is_not_all(history):
    """Who has read many keys is in nobody's way who writes others, however many these are."""
    reader, writer = history.begin("the reader"), history.begin("the writer")
    for number in range(120):
        reader.get(f"stock/{number}")
    for number in range(20):
        writer.put(f"sold/{number}", b"1")
    reader.put("total", b"0")
    assert (writer.commit(), reader.commit()) == (True, True), "whether each of the two was committed"


@check("conflicts")
def test_readers_are_no_conflict(history, write):
    """Any number may read the same keys at once, and all are committed."""
    write(saddle=b"1", tyre=b"20")
    readers = [history.begin(name) for name in ("one", "two", "three")]
    for each in readers:
        assert (each.get("saddle"), each.scan("")) == (b"1", [("saddle", b"1"), ("tyre", b"20")]), "what is read"
    assert [each.commit() for each in readers] == [True] * 3, "whether each was committed"


@check("conflicts")
def test_outside_of_a_range_is_no_conflict(history, write):
    """Who writes at a range's end, just before its start, or just behind a key, is in nobody's way who has read it."""
    write(b=b"1", c=b"2")
    scanner, writer = history.begin("the scanner"), history.begin("the writer")
    scanner.scan("b", "d")
    scanner.scan("a", "")
    scanner.scan("z", "a")
    scanner.scan("x", "y")
    scanner.get("e")
    scanner.put("total", b"3")
    for key in ("d", "azz", "e\0", "m"):
        writer.put(key, b"0")
    assert (writer.commit(), scanner.commit()) == (True, True), "whether each of the two was committed"


@check("conflicts")
@pytest.mark.parametrize("order", ["one two", "two one"])
def test_of_two_one_is_committed(history, write, order):
    """Of two that are in each other's way at least one is committed, whoever tries first."""
    for number in range(6):
        write(saddle=b"%d" % number, tyre=b"20")
        one, two = history.begin(f"one of {number}"), history.begin(f"two of {number}")
        one.get("saddle")
        two.scan("s", "u")
        one.put("tyre" if number % 2 else "saddle", b"%d from one" % number)
        two.put("saddle" if number % 3 else "tyre", b"%d from two" % number)
        pair = [one, two] if order == "one two" else [two, one]
        assert sum(each.commit() for each in pair) >= 1, "how many of the two were committed"


@check("conflicts")
def test_who_was_rolled_back_is_in_nobody_s_way(history, write):
    """What was rolled back, or was over before one began, aborts nobody."""
    write(saddle=b"1")
    undone = history.begin("the one that is rolled back")
    look_around(undone)
    undone.put("saddle", b"9")
    undone.rollback()
    reader = history.begin("one that has read, and is committed")
    look_around(reader)
    reader.commit()
    history.begin("one that goes on").get("tyre")
    for number in range(3):
        one = history.begin(f"one of {number}")
        look_around(one)
        one.put("saddle", b"%d" % number)
        assert one.commit() is True, "whether it was committed; it was alone"


def look_around(transaction):
    """Read one key, and all of them."""
    transaction.get("saddle")
    transaction.scan("")


@check("conflicts")
def test_who_has_gone_is_in_nobody_s_way(history, write):
    """Who began earlier isn't aborted over what one has read or written that was rolled back meanwhile."""
    write(saddle=b"1", tyre=b"20")
    one, undone = history.begin("one"), history.begin("the one that is rolled back")
    undone.get("saddle")
    undone.scan("a", "c")
    undone.put("tyre", b"19")
    undone.rollback()
    for key in ("saddle", "bell", "tyre"):
        one.get(key)
        one.put(key, b"0")
    assert one.commit() is True, "whether it was committed; the other had gone before it did anything"


@check("conflicts")
@pytest.mark.parametrize("other", ["began before", "begins later"])
def test_who_was_aborted_is_in_nobody_s_way(history, write, other):
    """What one has read that was aborted stands in nobody's way, whether that one begins later or began before."""
    write(saddle=b"1")
    early = history.begin("one who began before")
    pair = [history.begin(name) for name in ("one of two", "the other of two")]
    for each in pair:
        each.scan(f"{each.record.name}/", f"{each.record.name}0")
        each.get(f"note of {each.record.name}")
        each.get("saddle")
        each.put("saddle", each.record.name.encode())
    aborted = [each.record.name for each in pair if not each.commit()]
    writer = early if other == "began before" else history.begin("one who begins later")
    for name in aborted:
        writer.put(f"{name}/1", b"0")
        writer.put(f"note of {name}", b"0")
    assert writer.commit() is True, f"whether one was committed who {other}; those in its way were aborted"


@check("conflicts")
def test_another_database_is_in_nobody_s_way(world, student, database, write):
    """What was done to one database aborts nobody in the next one, on another disk, that the same program opens."""
    begin(database).get("bell")
    for number in range(3):
        write(saddle=b"%d" % number)
    history = History(named("database", student.Database(Disk(world))), conflict="Conflict")
    one = history.begin("one")
    one.get("saddle")
    one.scan("")
    one.put("saddle", b"9")
    assert one.commit() is True, "whether it was committed; it was alone in its database"


@check("conflicts")
def test_who_was_aborted_leaves_no_trace(history, held, write):
    """Of a transaction that was aborted nothing is left, neither its writes nor anything that is in another's way."""
    write(saddle=b"1", tyre=b"20")
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        each.get("saddle")
        each.put("saddle", each.record.name.encode())
        each.put(f"note of {each.record.name}", b"was here")
    committed = {each.record.name for each in (one, two) if each.commit()}
    state = held()
    notes = {key.removeprefix("note of ") for key in state if key.startswith("note of ")}
    assert notes == committed, "whose notes are left, beside who was committed"
    later = history.begin("a later one")
    later.get("saddle")
    later.put("saddle", b"0")
    assert later.commit() is True, "whether a later one was committed, which was alone"
