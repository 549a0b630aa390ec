"""The disk fake: what is durable, what a crash may leave, room, rot, and the moments of a recording."""

from __future__ import annotations

import pytest

from kata.grading import StudentError, raises
from kata.grading.disk import CAPACITY_BYTES, FATES, SECTOR_BYTES, Disk
from kata.supervisor.failures import CheckFailed

WRITER = """
    def do(disk, method, *args):
        return getattr(disk, method)(*args)

    def three(disk):
        disk.append("log", b"one")
        disk.fsync("log")
        disk.names()
        disk.append("log", b"two")
"""


@pytest.fixture
def written(world_of):
    world = world_of(WRITER)
    disk = Disk(world)
    student = world.student()
    return disk, lambda *call: student.do(disk, *call), student


def test_files_are_what_was_done_to_them(written):
    disk, do, _ = written
    do("append", "log", b"hello ")
    do("append", "log", b"world")
    do("write", "log", 6, b"W")
    do("write", "log", 13, b"!")
    assert do("read", "log") == b"hello World\x00\x00!"
    do("truncate", "log", 5)
    do("append", "other", b"")
    assert (do("size", "log"), do("names")) == (5, ["log", "other"])
    do("rename", "log", "other")
    assert disk.contents() == {"other": b"hello"}
    do("delete", "other")
    assert (do("names"), disk.used_bytes) == ([], 0)


@pytest.mark.parametrize(
    "call",
    [("read", "x"), ("size", "x"), ("write", "x", 0, b""), ("truncate", "x", 0), ("fsync", "x"), ("delete", "x")],
)
def test_what_is_not_there_is_said(written, call):
    disk, do, _ = written
    with raises("FileNotFoundError"):
        do(*call)
    assert disk.changes == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (("append", 3, b""), "TypeError"),
        (("append", "x", "text"), "TypeError"),
        (("rename", "log", 3), "TypeError"),
        (("write", "log", -1, b"x"), "ValueError"),
        (("truncate", "log", 9), "ValueError"),
    ],
)
def test_what_makes_no_sense_is_refused(written, call, error):
    disk, do, _ = written
    do("append", "log", b"abc")
    with raises(error):
        do(*call)
    assert disk.contents() == {"log": b"abc"}


def test_what_was_synced_survives_and_what_was_not_may_not(written):
    disk, do, _ = written
    do("append", "log", b"safe")
    do("fsync", "log")
    do("append", "log", b", not safe")
    do("append", "new", b"nowhere")
    assert disk.after_crash("lost").contents() == {"log": b"safe"}
    assert disk.after_crash("kept").contents() == disk.contents() == {"log": b"safe, not safe", "new": b"nowhere"}
    assert disk.syncs == 1


def test_what_was_overwritten_or_cut_off_comes_back(written):
    disk, do, _ = written
    do("append", "log", b"0123456789")
    do("fsync", "log")
    do("write", "log", 2, b"xx")
    do("truncate", "log", 6)
    assert disk.contents() == {"log": b"01xx45"}
    assert disk.after_crash("lost").contents() == {"log": b"0123456789"}


def test_a_torn_write_arrives_in_pieces(written):
    disk, do, _ = written
    do("append", "log", b"a" * 100)
    do("fsync", "log")
    do("append", "log", b"b" * 1000)
    found = {disk.after_crash("torn").contents()["log"] for _ in range(20)}
    assert len(found) > 10
    for content in found:
        assert content[:100] == b"a" * 100
        assert set(content[100:]) <= set(b"b\0")
        for start in range(3 * SECTOR_BYTES, len(content), SECTOR_BYTES):
            assert len(set(content[start : start + SECTOR_BYTES])) == 1


def test_what_is_small_is_torn_finely(written):
    disk, do, _ = written
    do("append", "log", bytes(SECTOR_BYTES))
    do("fsync", "log")
    do("write", "log", 0, b"x" * SECTOR_BYTES)
    found = {disk.after_crash("torn").contents()["log"] for _ in range(20)}
    assert len(found) > 2
    for content in found:
        pieces = [content[at : at + 8] for at in range(0, SECTOR_BYTES, 8)]
        assert set(pieces) <= {bytes(8), b"x" * 8}


def test_what_was_written_may_stop_after_any_byte(written):
    disk, do, _ = written
    do("append", "log", b"0123")
    do("fsync", "log")
    do("append", "log", b"4" * 70)
    do("write", "log", 0, b"ab")
    do("append", "new", b"xy")
    whole = b"0123" + b"4" * 70
    assert [disk.stopped_after(steps).contents() for steps in (0, 1, 3)] == [
        {"log": b"0123"},
        {"log": b"01234", "new": b""},
        {"log": b"0123444", "new": b"xy"},
    ]
    assert [disk.stopped_after(steps).contents()["log"] for steps in (69, 70, 71, 72, 99)] == [
        whole[:-1],
        whole,
        b"a" + whole[1:],
        b"ab" + whole[2:],
        b"ab" + whole[2:],
    ]


def test_a_truncation_is_one_step(written):
    disk, do, _ = written
    do("append", "log", b"0123")
    do("fsync", "log")
    do("truncate", "log", 1)
    do("append", "log", b"xy")
    assert [disk.stopped_after(steps).contents()["log"] for steps in range(4)] == [b"0123", b"0", b"0x", b"0xy"]


def test_a_rename_is_durable_and_says_nothing_of_the_bytes(written):
    disk, do, _ = written
    do("append", "log", b"old")
    do("fsync", "log")
    do("append", "new", b"new")
    do("rename", "new", "log")
    assert disk.after_crash("lost").contents() == {"log": b""}
    do("fsync", "log")
    assert disk.after_crash("lost").contents() == {"log": b"new"}
    do("delete", "log")
    assert disk.after_crash("lost").contents() == {}


def test_moments_are_before_each_change_and_at_the_end(written):
    disk, _, student = written
    with disk.recording() as moments:
        student.three(disk)
    calls = ["append 3 bytes to 'log'", "fsync 'log'", "append 3 bytes to 'log'", ""]
    assert [moment.call for moment in moments] == calls
    assert [moment.when for moment in moments[2:]] == [f"before the call {calls[2]!r}", "after the last call"]
    lost = [moment.crashed("lost").contents() for moment in moments]
    assert lost == [{}, {}, {"log": b"one"}, {"log": b"one"}]
    assert [moment.crashed("kept").contents().get("log") for moment in moments] == [None, b"one", b"one", b"onetwo"]


def test_what_a_crash_has_left_is_durable(written):
    disk, do, student = written
    do("append", "log", b"kept")
    found = disk.after_crash("kept")
    assert found.after_crash("lost").contents() == {"log": b"kept"}
    student.do(found, "append", "log", b"!")
    assert disk.contents() == {"log": b"kept"}


def test_without_room_nothing_is_changed(written):
    disk, do, _ = written
    do("append", "log", b"12345")
    with disk.full(free_bytes=3):
        do("append", "log", b"678")
        for call in (("append", "log", b"9"), ("append", "new", b"9"), ("write", "log", 7, b"9 9")):
            with raises("OSError"):
                do(*call)
        do("write", "log", 0, b"----")
        do("append", "empty", b"")
        do("truncate", "log", 6)
        do("append", "log", b"xy")
        with pytest.raises(StudentError, match="No space left"):
            do("append", "log", b"z")
    do("append", "log", b"z")
    assert disk.contents() == {"empty": b"", "log": b"----56xyz"}


def test_its_room_has_an_end(written):
    disk, do, _ = written
    do("append", "log", bytes(CAPACITY_BYTES // 4))
    for call in (
        ("write", "log", CAPACITY_BYTES, b"x"),
        ("write", "log", 1 << 40, b"x"),
        ("write", "log", 1 << 90, b""),
    ):
        with raises("OSError"):
            do(*call)
    do("write", "log", CAPACITY_BYTES - 1, b"x")
    with raises("OSError"):
        do("append", "other", b"x")
    assert disk.used_bytes == CAPACITY_BYTES


def test_a_recording_has_an_end(written, monkeypatch):
    monkeypatch.setattr("kata.grading.disk.RECORDED_BYTES_MAX", 100_000)
    disk, do, _ = written
    do("append", "log", bytes(1000))
    do("fsync", "log")
    with disk.recording():
        for _ in range(17):  # 1,000 bytes each, and 500 for the file and for each change since
            do("write", "log", 0, b"x")
        with pytest.raises(CheckFailed, match="was changed 17 times, and had 1,000 bytes in 1 files"):
            do("write", "log", 0, b"x")
        monkeypatch.undo()


def test_a_recording_that_fails_is_over(world_of, monkeypatch):
    monkeypatch.setattr("kata.grading.disk.RECORDED_BYTES_MAX", 100_000)
    disk = Disk(world_of(""))
    disk.append("log", bytes(1000))

    def change_it_for_ever():
        with disk.recording():
            while True:
                disk.write("log", 0, b"x")

    with pytest.raises(CheckFailed, match="was changed 16 times, and had 1,000 bytes in 1 files"):
        change_it_for_ever()
    disk.write("log", 0, b"y")
    assert disk.contents() == {"log": b"y" + bytes(999)}


def test_one_bit_is_flipped_in_another_disk(written):
    disk, do, _ = written
    do("append", "log", b"\x00\x00")
    do("fsync", "log")
    assert disk.with_bit_flipped("log", 9).contents() == {"log": b"\x00\x02"}
    assert disk.contents() == {"log": b"\x00\x00"}


def test_the_same_seed_tears_the_same(world_of):
    def torn():
        world = world_of(WRITER)
        disk = Disk(world)
        world.student().do(disk, "append", "log", b"x" * 3000)
        return [disk.after_crash(fate).contents() for fate in FATES * 3]

    assert torn() == torn()
