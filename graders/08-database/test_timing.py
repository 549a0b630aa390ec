"""What the database costs: fsyncs, the work of opening, and room on the disk."""

import pytest
from model import ODD, begin, commit, kept_if_it_fits, nothing_written, small, state_of, value

from kata.grading import check, growth, named
from kata.grading.disk import Disk


@check("fsyncs")
def test_a_commit_syncs_twice_at_most(disk, write):
    """A commit calls fsync once or twice, however many keys it writes, and however many were committed before."""
    for number in range(40):
        before = disk.syncs
        write(**{f"key{each}": value(number, 400) for each in range(1 + number % 7)})
        assert disk.syncs - before in (1, 2), f"the fsyncs of commit number {number + 1}"


@check("fsyncs")
def test_reading_changes_nothing(database, disk, write):
    """A transaction that reads, a rollback, and a commit of nothing call neither fsync nor anything that writes."""
    write(saddle=b"1", tyre=b"20")
    for end in ("commit", "rollback"):
        with nothing_written(disk, f"a transaction that has read, up to its {end}"):
            one = begin(database)
            one.get("saddle")
            one.get("nothing")
            one.scan("")
            getattr(one, end)()
    with nothing_written(disk, "a transaction that was rolled back"):
        two = begin(database)
        two.put("saddle", b"0")
        two.delete("tyre")
        two.rollback()


@check("fsyncs")
def test_readers_do_not_tidy_up(database, disk, write):
    """However much has been written before it, a transaction that only reads changes nothing on the disk."""
    for number in range(30):
        write(tyre=value(number, 900))
        with nothing_written(disk, f"a transaction that has read, after {number + 1} commits"):
            one = begin(database)
            one.get("tyre")
            one.commit()


@check("fsyncs")
def test_readers_do_not_tidy_up_what_had_no_room(database, disk, write):
    """A reader changes nothing on the disk, also when there was no room for tidying up and now there is."""
    write(**{"the shop's window": value(1, 6000)})
    with disk.full(max(0, 26_000 - disk.used_bytes)):
        for number in range(20):
            kept_if_it_fits(database, {"saddle": value(number, 1500)})
    with nothing_written(disk, "a transaction that has read, when there is room again"):
        one = begin(database)
        one.get("saddle")
        one.commit()


@check("fsyncs")
def test_an_abort_changes_nothing(history, disk, write):
    """A transaction that is aborted costs no fsync and writes nothing."""
    write(saddle=b"1")
    one, two = history.begin("one"), history.begin("two")
    for each in (one, two):
        each.get("saddle")
        each.put("saddle", each.record.name.encode())
    before = disk.syncs
    ends = [one.commit(), two.commit()]
    assert disk.syncs - before <= 2 * sum(ends), f"the fsyncs of two commits, of which {sum(ends)} returned"


@check("recovery-cost", coverage=False)
def test_opening_is_linear(world, student):
    """Opening takes at most about ten times as much work when there is ten times as much."""
    disks = {size: filled(world, student, size) for size in (120, 1200)}
    for size, disk in disks.items():
        assert len(state_of(student.Database(disk))) == size, f"how many of {size} keys are found when it is opened"

    def work(size):
        opener = world.student()
        with opener.cpu() as used:
            for _ in range(1200 // size):
                opener.Database(disks[size])
        return used.seconds * size / 1200

    growth(work, sizes=list(disks), at_most=1.4, what="The work of opening")


@check("compact")
@pytest.mark.parametrize(("name", "keys", "size"), [("key", 4, 1500), ("key", 60, 20), ("a long key" * 9, 1, 0)])
def test_files_stay_small(database, disk, reopened, name, keys, size):
    """When the same keys are written again and again, the files stay within four times what they hold and 16 KiB."""
    begin(database).get("what somebody looks up who never ends")
    state = {}
    for number in range(240):
        writes = {f"{name}/{(number * 7 + each) % keys}": value(number, size) for each in range(min(3, keys))}
        state |= writes
        commit(database, writes)
        assert disk.used_bytes <= small(state), f"the bytes of all files after {number + 1} commits"
    assert state_of(reopened(disk)) == state, "what the database holds when it is opened again"


@check("compact")
def test_what_was_deleted_takes_no_room(database, disk, reopened, write):
    """Keys that come and go leave nothing behind, and what is left is there when the database is opened again."""
    write(**ODD)
    for number in range(40):
        orders = [f"order/{number}/{'自転車' * 20}/{each}" for each in range(20)]
        write(**dict.fromkeys(orders, value(number)))
        write(**dict.fromkeys(orders))
        assert disk.used_bytes <= small(ODD), f"the bytes of all files after {20 * number + 20} orders"
    assert state_of(reopened(disk)) == ODD, "what the database holds when it is opened again"


@check("compact")
def test_much_that_is_deleted_at_once_takes_no_room(database, disk, write):
    """The files are small again as soon as the commit has returned that deletes most of what they held."""
    shelves = {f"shelf/{number}": value(number, 1500) for number in range(40)}
    write(**shelves)
    write(saddle=b"1")
    write(**dict.fromkeys(shelves))
    assert disk.used_bytes <= small({"saddle": b"1"}), "the bytes of all files after 40 keys of 41 were deleted"


@check("compact")
def test_it_is_done_after_opening_too(disk, reopened):
    """The files stay small also when the database is opened anew after every few commits."""
    state = {}
    for life in range(12):
        database = reopened(disk)
        for number in range(4):
            state[f"key/{number}"] = value(10 * life + number, 900)
            commit(database, {f"key/{number}": state[f"key/{number}"]})
            assert disk.used_bytes <= small(state), f"the bytes of all files after {4 * life + number + 1} commits"
    assert state_of(database) == state, "what the database holds"


@check("compact")
@pytest.mark.parametrize("room", [15_000, 26_000])
def test_it_is_done_when_there_is_room_again(disk, database, write, room):
    """A database that had no room to tidy up stays small again once it has."""
    state = {"the shop's window": value(1, 6000)}
    write(**state)
    with disk.full(max(0, room - disk.used_bytes)):
        for number in range(40):
            if not kept_if_it_fits(database, {"saddle": value(number, 700)}):
                break
    for number in range(60):
        state["saddle"] = value(number, 700)
        write(saddle=state["saddle"])
        assert disk.used_bytes <= small(state), f"the bytes of all files after {number + 1} commits with room"


@check("compact")
def test_what_crashes_leave_does_not_add_up(world, disk):
    """Files that crashes leave behind while the database tidies up are removed sooner or later, not kept for ever."""
    shelves = [f"shelf/{number}" for number in range(3)]
    for _ in range(4):
        database = named("database", world.student().Database(disk))
        with disk.recording() as moments:
            for number in range(9):
                commit(database, {shelves[number % 3]: value(number, 4000)})
        # The last of those at which most was there: the new files are complete, and the old ones not yet removed.
        disk = max(reversed(moments), key=lambda moment: moment.disk.used_bytes).crashed("kept")
    commit(named("database", world.student().Database(disk)), dict.fromkeys(shelves, b"1"))
    most = small(dict.fromkeys(shelves, b"1"))
    assert disk.used_bytes <= most, "the bytes of all files, one commit after four crashes while they were biggest"


def filled(world, student, size):
    """A disk with so many keys, three from each commit."""
    disk = Disk(world)
    database = student.Database(disk)
    for number in range(0, size, 3):
        commit(database, {f"key/{each}": value(each) for each in range(number, number + 3)})
    return disk
