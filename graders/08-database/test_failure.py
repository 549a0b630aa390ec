"""What is left after a crash at every call of the disk, after rot, and when there is no room."""

import pytest
from model import (
    DELIVERIES,
    RARITIES,
    RESTOCKING,
    SALES,
    STOCKTAKING,
    begin,
    commit,
    distinct,
    holds,
    kept_if_it_fits,
    noise,
    once,
    opened,
    put_all,
    some,
    state_of,
    value,
)

from kata.grading import check, named, raises
from kata.grading.disk import Disk

WORKLOADS = {"sales": SALES, "deliveries": DELIVERIES}
TWICE = ("lost", "torn", "torn")
"""What may become of what was not synced at a second crash: it is torn in many ways, and two are tried."""

# ---------------------------------------------------------------- crashes


@check("durable", coverage=False)
@pytest.mark.parametrize("day", WORKLOADS)
def test_what_was_acknowledged_is_there(shop, world, day):
    """Whenever the power fails, and whatever the disk makes of it, every commit that had returned is found."""
    for crash, disks in distinct(shop(WORKLOADS[day])):
        with world.short_lived() as student:
            for disk, words in disks:
                expect_acknowledged(opened(student, disk), crash, words)


@check("durable", coverage=False)
def test_what_was_written_may_stop_anywhere(shop, world):
    """However few bytes of a commit have reached the disk when the power fails, those that had returned are found."""
    for crash in before_fsync(world, shop(SALES)):
        with world.short_lived() as student:
            for disk, words in stopped(crash, range(1, 64, 2)):
                expect_acknowledged(opened(student, disk), crash, words)


@check("durable", coverage=False)
def test_what_was_acknowledged_is_there_on_a_full_disk(shop, world, disk):
    """Whenever the power fails while the disk is nearly full, every commit that had returned is found."""
    crashes = shop(RESTOCKING, free_bytes=max(0, 26_000 - disk.used_bytes))
    for crash, disks in list(distinct(crashes))[-20:]:
        with world.short_lived() as student:
            for disk, words in disks:
                expect_acknowledged(opened(student, disk), crash, words)


def before_fsync(world, crashes):
    """Six of them, drawn from the seed, in which something was about to be made durable."""
    return some(world, [crash for crash in crashes if crash.moment.call.startswith("fsync")], 6)


def stopped(crash, steps):
    """Disks on which only the first bytes of what was not synced have arrived, each with a sentence about it."""
    for each in steps:
        at_most = f"of what was not synced, no more than the first {each} bytes are there"
        yield crash.moment.disk.stopped_after(each), f"a crash {crash.moment.when}: {at_most}"


def expect_acknowledged(found, crash, words):
    """All that was acknowledged before a crash is found after it."""
    if not any(holds(found, state) for state in crash.right):
        gone = found if isinstance(found, str) else missing(found, crash.right[0])
        assert gone == {}, f"what is missing after {words}; {crash.done} commits had returned"
    older = found in crash.states and found not in crash.right
    assert not older, f"whether fewer commits are there than had returned, {crash.done}, after {words}"


def missing(found, state):
    """What a database should hold and doesn't, and what it holds in place of it."""
    return {key: found.get(key) for key, content in state.items() if found.get(key) != content}


@check("atomic", coverage=False)
@pytest.mark.parametrize("day", WORKLOADS)
def test_nothing_is_there_in_part(shop, world, day):
    """Whenever the power fails, what is found is the state after some number of whole commits, and nothing else."""
    for crash, disks in distinct(shop(WORKLOADS[day])):
        with world.short_lived() as student:
            for disk, words in disks:
                found = opened(student, disk)
                # What lacks a whole commit at its end, or can't be opened, is for the check above.
                whole = found in crash.states or isinstance(found, str)
                assert whole, f"whether these are whole commits, after {words}: {shown_keys(found)}"


def shown_keys(state):
    """A state in one line: each key with the beginning of its value."""
    return ", ".join(f"{key}={content[:6].decode('latin-1')}" for key, content in sorted(state.items()))


@check("atomic", coverage=False)
def test_nothing_of_a_big_commit_is_there_in_part(shop, world):
    """Wherever the power cuts a commit of many keys and of many bytes short, all of it is found, or nothing."""
    crashes = shop(STOCKTAKING)
    for crash in before_fsync(world, [crash for crash in crashes if crash.done == 1]):
        with world.short_lived() as student:
            for disk, words in stopped(crash, range(64, 48_000, 1600)):
                found = opened(student, disk)
                whole = found in crash.states or isinstance(found, str)
                assert whole, f"whether these are whole commits, after {words}: {shown_keys(found)}"


@check("atomic")
def test_who_was_under_way_is_gone(database, disk, reopened, write):
    """Transactions that were neither committed nor rolled back when the process ended leave nothing."""
    write(saddle=b"1")
    for number in range(3):
        one = begin(database)
        one.put(f"order/{number}", value(number, 900))
        one.get(f"stock/{number}")
    write(tyre=b"20")
    assert state_of(reopened(disk)) == {"saddle": b"1", "tyre": b"20"}, "what the database holds"


@check("recover-again", coverage=False)
def test_a_crash_while_opening(shop, world):
    """When the power fails again while the database is being opened, at any call, nothing more is lost."""
    # Who makes many small calls, in committing and in opening, has their product in crashes: it is enough to draw some.
    for crash, disks in some(world, distinct(shop(DELIVERIES)[::3]), 24):
        for disk, words in disks:
            with world.short_lived() as student, disk.recording() as moments:
                before = opened(student, disk)
            moments = some(world, moments[:-1], 12) + moments[-1:]
            crashed = ((moment.crashed(fate), moment.when) for moment in moments for fate in TWICE)
            with world.short_lived() as student:
                for found, when in once(crashed, {frozenset(disk.contents().items())}):
                    again = opened(student, found)
                    where = f"after {words}, and a second one while opening, {when}"
                    assert again in (before, *crash.right), f"what is found {where}"


@check("recover-again")
def test_opening_again_and_again(reopened, disk, write):
    """A database that is opened five times, without a commit between, holds the same, and its files don't grow."""
    write(saddle=b"1", tyre=b"20")
    write(tyre=None, bell=b"3")
    reopened(disk)
    size = disk.used_bytes
    for _ in range(5):
        assert state_of(reopened(disk)) == {"bell": b"3", "saddle": b"1"}, "what the database holds"
    assert disk.used_bytes <= size, "the bytes of all files after opening five times more"


@check("recover-again", coverage=False)
def test_a_torn_end_is_not_written_behind(shop, world):
    """What is committed after a crash is there after the next one, wherever the first had torn what was written."""
    crashes = shop(SALES)
    torn = [disks for _, disks in distinct(crashes)]
    for disks in torn + [stopped(crash, range(1, 64, 6)) for crash in before_fsync(world, crashes)]:
        with world.short_lived() as student:
            for disk, words in disks:
                database = named("database", student.Database(disk))
                before = state_of(database)
                commit(database, {"after the crash": value(99, 150), "stock/bell": None})
                now = {k: v for k, v in before.items() if k != "stock/bell"} | {"after the crash": value(99, 150)}
                assert opened(student, disk.after_crash("lost")) == now, f"what is found with one commit after {words}"


@check("recover-again", coverage=False)
def test_a_crash_in_the_commit_after_a_crash(shop, world):
    """When the power fails once more, in the first commit after a crash, what had been found before is still there."""
    # Two commits that follow each other: what is written in turns is met at both.
    for crash in before_fsync(world, [crash for crash in shop(SALES) if crash.done in (2, 3)]):
        for first, words in (*crash.disks(), *stopped(crash, [90])):
            with world.short_lived() as student:
                database = named("database", student.Database(first))
                before = state_of(database)
                with first.recording() as moments:
                    commit(database, {"after": b"1"})
                for disk, when in once(second_crashes(moments), set()):
                    found = opened(student, disk)
                    right = [before, *crash.right, *({**state, "after": b"1"} for state in (before, *crash.right))]
                    assert found in right, f"what is found after {words}, and a second one in the next commit, {when}"


def second_crashes(moments):
    """Disks that may be found after a crash in a small commit, each with a sentence about it."""
    for moment in moments:
        for fate in ("lost", "torn"):
            yield moment.crashed(fate), moment.when
        if moment.call.startswith("fsync"):
            for each in range(6, 42, 6):
                yield moment.disk.stopped_after(each), f"{moment.when}, of which the first {each} bytes are there"


@check("recover-again", coverage=False)
def test_it_tidies_up_after_a_crash(shop, world):
    """After a crash at any call, also one of tidying up, the database tidies up again, and opens with what it holds."""
    shelves = [f"shelf/{number}" for number in range(4)]
    for _, disks in some(world, distinct(shop(DELIVERIES)), 32):
        with world.short_lived() as student:
            for disk, words in disks:
                database = named("database", student.Database(disk))
                now = state_of(database) | {key: value(number, 10) for number, key in enumerate(shelves)}
                # What was big and is small makes every database tidy up: its files may not stay that long.
                for size in (10_000, 10):
                    commit(database, {key: value(number, size) for number, key in enumerate(shelves)})
                commit(database, {"note/0": b"out"})
                now["note/0"] = b"out"
                assert opened(student, disk) == now, f"what is found with three commits after {words}"


# ---------------------------------------------------------------- rot


@check("rot", coverage=False)
@pytest.mark.parametrize("day", [*WORKLOADS, "rarities"])
def test_a_flipped_bit_is_found(shop, world, disk, day):
    """A bit that flips, in any of 64 places of what older commits wrote, is found, or changes no answer."""
    crashes = shop(RARITIES if day == "rarities" else WORKLOADS[day])
    before, after = crashes[-1].states[-2:]
    student = world.student()
    for name, bit in places(world, crashes):
        rotten = disk.with_bit_flipped(name, bit)
        found = opened(student, rotten)
        if isinstance(found, str):
            assert found.partition(":")[0] == "Corrupt", f"what opening raises with bit {bit} of {name!r} flipped"
        else:
            assert found in (after, before), f"what is found with bit {bit} of {name!r} flipped, if not Corrupt"


@check("rot", coverage=False)
def test_a_flipped_bit_after_any_commit(shop, world):
    """Whichever bit flips after whichever commit, it is found, or no more than that commit is missing."""
    ends = {crash.done: crash for crash in reversed(shop(DELIVERIES)) if crash.done}
    for done, crash in sorted(ends.items()):
        assert crash.moment.disk.used_bytes > 0, f"the bytes of all files after {done} commits"
        disk = crash.moment.crashed("lost")
        with world.short_lived() as student:
            for name, bit in some_bits(world, disk):
                found = opened(student, disk.with_bit_flipped(name, bit))
                if not str(found).startswith("Corrupt:"):
                    what = f"what is found with bit {bit} of {name!r} flipped after {done} commits, if not Corrupt"
                    assert found in crash.states[done - 1 : done + 1], what


def some_bits(world, disk):
    """Bits of its files, some at the very beginning, the others drawn from the seed."""
    every = [(name, at) for name, content in disk.contents().items() for at in range(len(content))]
    return [
        (name, 8 * at + world.random.randrange(8))
        for name, at in every[:3] + world.random.sample(every, min(5, len(every)))
    ]


def places(world, crashes):
    """Bits of files that were the same before the last three commits as they are now, drawn from the seed."""
    then, now = crashes[0].moment.disk, crashes[-1].moment.crashed("lost").contents()
    for crash in crashes:
        if crash.done <= len(crashes[-1].states) - 4:
            then = crash.moment.disk
    old = then.contents()
    same = [
        (name, at)
        for name, content in now.items()
        for at, byte in enumerate(content)
        if at < len(old.get(name, b"")) and old[name][at] == byte
    ]
    heads = same[:40]
    drawn = world.random.sample(same, min(24, len(same)))
    return [(name, 8 * at + world.random.randrange(8)) for name, at in heads + drawn]


@check("rot", coverage=False)
def test_what_was_found_is_found_again(shop, world, disk):
    """A database that was found to be damaged isn't opened by trying again, unless with all that it held."""
    crashes = shop(SALES)
    before, after = crashes[-1].states[-2:]
    student = world.student()
    for name, bit in some(world, places(world, crashes), 16):
        rotten = disk.with_bit_flipped(name, bit)
        if isinstance(opened(student, rotten), str):
            found = opened(student, rotten)
            if not str(found).startswith("Corrupt:"):
                what = f"what is found with bit {bit} of {name!r} flipped, when it is opened once more, if not Corrupt"
                assert found in (after, before), what


# ---------------------------------------------------------------- no room


@check("disk-full")
def test_a_commit_without_room(database, disk, held, reopened, write):
    """A commit for which there is no room raises OSError, and never was; when there is room again, commits succeed."""
    write(saddle=b"1", tyre=b"20")
    for free in (0, 10, 60, 300, 1200):
        with disk.full(free):
            has_no_room(database, disk.used_bytes + free)
            assert held() == {"saddle": b"1", "tyre": b"20"}, f"what the database holds, {free} bytes being free"
    assert state_of(reopened(disk.copy())) == {"saddle": b"1", "tyre": b"20"}, "what it holds when it is opened again"
    write(rim=b"5")
    assert held() == {"rim": b"5", "saddle": b"1", "tyre": b"20"}, "what it holds after one more commit"
    assert state_of(reopened(disk)) == {"rim": b"5", "saddle": b"1", "tyre": b"20"}, "and when it is opened again"


@check("disk-full")
def test_what_had_no_room_is_in_nobody_s_way(database, disk, held, write):
    """A commit without room has not happened: whoever began before it, or begins after it, is committed."""
    write(saddle=b"1", tyre=b"20")
    before = begin(database)
    with disk.full():
        has_no_room(database, disk.used_bytes)
    assert before.get("saddle") == b"1", "what is read by who began before"
    before.put("rim", b"5")
    before.commit()
    write(bell=b"3", saddle=b"0")
    assert held() == {"bell": b"3", "rim": b"5", "saddle": b"0", "tyre": b"20"}, "what the database holds"


def has_no_room(database, room):
    """A transaction that reads, and writes more than there is room for, whatever were removed to make some."""
    one = begin(database)
    one.get("bell")
    put_all(one, {"saddle": noise(1, 800), "tyre": None, "rim": noise(2, room)})
    with raises("OSError"):
        one.commit()
    with raises("RuntimeError"):
        one.get("saddle")


@check("disk-full", coverage=False)
def test_who_fits_is_committed(world, student):
    """Commits that return are there, those that raise are not, however much room there is and whatever is tidied up."""
    for room in range(2000, 28_000, 2000):
        disk = Disk(world)
        database, state = named("database", student.Database(disk)), {}
        with disk.full(room):
            for number in range(40):
                state |= kept_if_it_fits(database, {f"key/{number % 3}": value(number, 700)})
            assert state_of(database) == state, f"what the database holds on a disk with {room:,} bytes of room"
        words = f"with {room:,} bytes of room"
        assert opened(student, disk.copy()) == state, f"what it holds when it is opened from a disk {words}"
        fitted = len(state)
        for size in (10_000, 10):  # so that it tidies up
            state |= kept_if_it_fits(database, {f"key/{number}": value(number, size) for number in range(3)})
        words = f"on a disk that had {room:,} bytes of room for a while"
        assert opened(student, disk) == state, f"what it holds when it is opened again, {words}"
    assert fitted == 3, "how many of three keys were committed, with room for 26,000 bytes"


@check("disk-full")
def test_it_opens_without_room(reopened, disk, write):
    """What can be read can still be read when it is opened again on a disk without any room."""
    write(saddle=b"1")
    for number in range(36):
        write(tyre=value(number, 700))
        if number % 4 == 3:
            full = disk.copy()
            with full.full():
                found = state_of(reopened(full))
            assert found == {"saddle": b"1", "tyre": value(number, 700)}, f"what it holds after {number + 2} commits"
