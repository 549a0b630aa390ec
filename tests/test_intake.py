"""What people hand in is recognised in every layout; what isn't is listed, and the rest goes on."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import TOY

from kata.catalog import Catalog
from kata.cohort.archives import ONE_SUBMISSION, Limits, unpack
from kata.cohort.intake import take_in
from kata.cohort.model import Handed, Intake
from kata.cohort.roster import Roster, read_roster
from kata.errors import UsageError

COUNTER, LINE = b"class Counter: ...\n", b"class Line: ...\n"


def write(root: Path, files: dict[str, bytes]) -> Path:
    """These files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def taken(folder: Path, roster: Roster | None = None, only: tuple[str, ...] = ()) -> Intake:
    catalog = Catalog(TOY)
    return take_in(folder, catalog.all(), roster, [catalog.get(each) for each in only])


def rows(intake: Intake) -> list[tuple[str, str]]:
    return sorted((each.person, each.exercise) for each in intake.handed)


LAYOUTS = {
    "a folder for each exercise": {"ada/01-toy/counter.py": COUNTER, "ada/toy-queue/line.py": LINE},
    "the files themselves": {"ada/counter.py": COUNTER, "ada/line.py": LINE},
    "clones": {"01-toy-ada/counter.py": COUNTER, "toy-queue-ada/line.py": LINE},
    "clones with the file deeper down": {"01-toy-ada/src/counter.py": COUNTER, "toy-queue-ada/src/line.py": LINE},
    "a zip for each person": {"ada.zip": zipped({"01-toy/counter.py": COUNTER, "02-toy-queue/line.py": LINE})},
    "zips in a folder": {"ada/01-toy.zip": zipped({"counter.py": COUNTER}), "ada/line.py": LINE},
    "a tar for each person": {"ada.tar.gz": tarred(member("./toy/counter.py", COUNTER), member("line.py", LINE))},
    "a Canvas download": {"adaking_7_90_counter.py": COUNTER, "adaking_7_91_line-2.py": LINE},
    "a folder around all of it": {"submissions/ada/01-toy/counter.py": COUNTER, "submissions/ada/line.py": LINE},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    intake = taken(write(tmp_path, {**LAYOUTS[layout], ".DS_Store": b"", "__MACOSX/x": b""}))
    who = "7" if "Canvas" in layout else "ada"
    assert rows(intake) == [(who, "01-toy"), (who, "02-toy-queue")]
    files = {each.exercise: each.files for each in intake.handed}
    assert files["01-toy"]["counter.py"] == COUNTER
    assert files["02-toy-queue"]["line.py"] == LINE
    assert not intake.troubles


def test_a_folder_around_what_an_archive_holds(tmp_path: Path) -> None:
    intake = taken(write(tmp_path, {"ada.zip": zipped({"work/01-toy/counter.py": COUNTER})}))
    assert rows(intake) == [("ada", "01-toy")]


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz", ".tar.bz2", ".tar.xz"])
def test_all_of_it_may_be_an_archive(ending: str, tmp_path: Path) -> None:
    files = {"ada/counter.py": COUNTER, "bob/01-toy/counter.py": COUNTER, "bob/bad:name": b""}
    modes = {".tar": "w", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
    data = zipped(files) if ending == ".zip" else tarred(*(member(*each) for each in files.items()), mode=modes[ending])
    (tmp_path / f"all{ending}").write_bytes(data)
    intake = taken(tmp_path / f"all{ending}")
    assert rows(intake) == [("ada", "01-toy"), ("bob", "01-toy")]
    assert [trouble.where for trouble in intake.troubles] == ["bob/bad:name"]


def test_canvas_names_ids_late_markers_and_turns(tmp_path: Path) -> None:
    files = {
        "kingada_LATE_7_90_counter.py": COUNTER,
        "kingada_7_80_counter-1.py": COUNTER,
        "poebob_8_91_counter.py": b"",
    }
    intake = taken(write(tmp_path, files))
    assert [(each.person, each.late, each.turn) for each in intake.handed] == [
        ("7", False, 1), ("7", True, 0), ("8", False, 0),
    ]  # fmt: skip
    assert [(person.id, person.name) for person in intake.people] == [("7", "kingada"), ("8", "poebob")]


METADATA = """\
submission_1:
  :submitters:
  - :name: Ada King
    :sid: 0007
    :email: ada@uni.example
  - :name: Poe, Bob
    :sid: '8'
  :created_at: 2026-03-14 09:26:53.589793000 -05:00
  :score: 12.5
  :results:
    tests: [{name: "- :sid: 9"}]
submission_2:
  :submitters:
  - :name: Zoe
    :sid:
    :email: zoe@uni.example
submission_3:
  :submitters: []
"""


def test_gradescope_s_export(tmp_path: Path) -> None:
    export = {
        "submission_1/counter.py": COUNTER,
        "submission_2/src/line.py": LINE,
        "submission_2/counter.py": LINE,
        "submission_3/counter.py": COUNTER,
        "submission_4/counter.py": COUNTER,
        "submission_metadata.yml": METADATA.encode(),
    }
    write(tmp_path / "all", {"export.zip": zipped({f"assignment_7_export/{name}": export[name] for name in export})})
    intake = taken(tmp_path / "all/export.zip")
    assert rows(intake) == [("7", "01-toy"), ("8", "01-toy"), ("zoe@uni.example", "01-toy")]
    assert {person.id: person.name for person in intake.people} == {
        "7": "Ada King", "8": "Poe, Bob", "zoe@uni.example": "Zoe",
    }  # fmt: skip
    assert [trouble.where for trouble in intake.troubles] == ["submission_3", "submission_4"]
    assert rows(taken(tmp_path / "all/export.zip", read_roster(roster(tmp_path)))) == [
        ("7", "01-toy"), ("8", "01-toy"), ("zoe@uni.example", "01-toy"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["- 1", "a: [", "\xff", "x:\n  :submitters: {a: 1}", "a: &a [*a]", "x: !!python/object:os 1"]
)
def test_metadata_that_are_none(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"submission_metadata.yml": text.encode("latin-1"), "submission_1/counter.py": COUNTER})
    with pytest.raises(UsageError, match=r"submission_metadata\.yml can't be read"):
        taken(tmp_path)


def test_with_one_exercise_any_python_file_is_its_own(tmp_path: Path) -> None:
    intake = taken(write(tmp_path, {"kingada_7_90_my_work.py": COUNTER}), only=("01-toy",))
    assert [(each.exercise, each.files) for each in intake.handed] == [("01-toy", {"counter.py": COUNTER})]


def test_other_exercises_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"ada/counter.py": COUNTER, "ada/line.py": LINE})
    assert rows(taken(tmp_path, only=("02-toy-queue",))) == [("ada", "02-toy-queue")]


def test_what_is_not_recognised_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(tmp_path, {"ada/counter.py": COUNTER, "bob/essay.txt": b"", "notes.txt": b"", "cyd.zip": b"no zip"})
    os.symlink(tmp_path / "ada", tmp_path / "eve")
    intake = taken(tmp_path)
    assert rows(intake) == [("ada", "01-toy")]
    assert sorted(trouble.where for trouble in intake.troubles) == ["bob", "cyd.zip", "eve", "notes.txt"]
    assert all(trouble.problem and trouble.remedy for trouble in intake.troubles)


def test_no_link_in_a_person_s_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret/counter.py": COUNTER, "all/ada/line.py": LINE, "all/bob/line.py": LINE})
    os.symlink(tmp_path / "secret", tmp_path / "all/ada/01-toy")
    intake = taken(tmp_path / "all")
    assert rows(intake) == [("ada", "02-toy-queue"), ("bob", "02-toy-queue")]
    assert [trouble.where for trouble in intake.troubles] == ["ada/01-toy"]


def test_what_is_recognised_and_unreadable_is_its_owner_s(tmp_path: Path) -> None:
    write(tmp_path, {"01-toy-ada/other.py": COUNTER, "bob/01-toy.zip": zipped({"counter.py": bytes(2**21)})})
    problems = {each.person: each.problem for each in taken(tmp_path).handed}
    assert problems == {
        "ada": "01-toy-ada holds no counter.py.",
        "bob": "'counter.py' is larger than 1 MiB.",
    }


def test_one_person_in_two_places(tmp_path: Path) -> None:
    intake = taken(write(tmp_path, {"ada/counter.py": COUNTER, "01-toy-ada/counter.py": b"# other\n"}))
    assert rows(intake) == [("ada", "01-toy")] * 2
    assert "in 2 places" in intake.troubles[0].problem


@pytest.mark.parametrize("files", [{}, {".hidden": b""}], ids=["empty", "hidden"])
def test_nothing_at_all_is_said(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no submission"):
        taken(write(tmp_path, files))


# ---------------------------------------------------------------- the roster

ROSTER = (
    "Student,ID,SIS User ID,SIS Login ID,Section,01-toy (55)\r\n"
    '"    Points Possible",,,,,100\r\n'
    '"King, Ada",7,S7,ada@uni.example,One,\r\n'
    '"Poe, Bob",8,S8,bob,One,\r\n'
    '"Roe, Cyd",9,S9,cyd,Two,\r\n'
    '"Student, Test",10,,,Two,\r\n'
)


def roster(tmp_path: Path, text: str = ROSTER) -> Path:
    path = tmp_path / "roster.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    return path


@pytest.mark.parametrize("folder", ["7", "S7", "ADA@uni.example", "kingada", "Ada King", "King Ada"])
def test_people_are_found_by_ids_and_by_name(folder: str, tmp_path: Path) -> None:
    people = read_roster(roster(tmp_path))
    write(tmp_path / "all", {f"{folder}/counter.py": COUNTER, "zoe/counter.py": COUNTER})
    intake = taken(tmp_path / "all", people)
    assert [person.id for person in intake.people] == ["7", "8", "9", "zoe"]
    assert rows(intake) == [("7", "01-toy"), ("zoe", "01-toy")]
    assert intake.unmatched == ("zoe",)


def test_a_name_that_two_people_have_means_neither(tmp_path: Path) -> None:
    people = read_roster(roster(tmp_path, ROSTER + '"King, Ada",11,S11,ada2,One,\r\n'))
    assert people.find("kingada") is None
    assert people.find("11", "kingada") == people.people[3]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\r\n1,2\r\n", "lacks the columns"), (ROSTER + '"Doe",7,,,,\r\n', "twice"), ('Student,ID\r\n"x', "read")],
)
def test_a_roster_that_is_none(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        read_roster(roster(tmp_path, text))


# ---------------------------------------------------------------- archives


def extended(content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A pax header of those bytes, which need not be one."""
    return member("x", content, type=tarfile.XHDTYPE)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "parent.zip": lambda: zipped({"../counter.py": b""}),
    "absolute.zip": lambda: zipped({"/etc/counter.py": b""}),
    "case.zip": lambda: zipped({"counter.py": b"", "COUNTER.py": b""}),
    "file-and-folder.zip": lambda: zipped({"a": b"", "a/b": b""}),
    "count.zip": lambda: zipped({f"{n}.py": b"" for n in range(201)}),
    "size.zip": lambda: zipped({f"{n}.py": bytes(1_000_000) for n in range(5)}),
    "broken.zip": lambda: zipped({"counter.py": COUNTER})[:-30],
    "empty.zip": lambda: b"",
    "link.tar": lambda: tarred(member("counter.py", type=tarfile.SYMTYPE, linkname="/etc/passwd"), mode="w"),
    "hard-link.tar": lambda: tarred(member("x", type=tarfile.LNKTYPE, linkname="/etc/passwd"), mode="w"),
    "pipe.tar": lambda: tarred(member("counter.py", type=tarfile.FIFOTYPE), mode="w"),
    "device.tar.gz": lambda: tarred(member("counter.py", type=tarfile.CHRTYPE)),
    "set-uid.tar.gz": lambda: tarred(member("counter.py", COUNTER, mode=0o4755)),
    "twice.tar.gz": lambda: tarred(member("counter.py", COUNTER), member("counter.py", LINE)),
    "header.tar.gz": lambda: tarred(member("x", pax_headers={"comment": "a" * 40_000_000})),
    "digits.tar.gz": lambda: tarred(extended(b"1" * 1_000_000)),
    "many-digits.tar": lambda: tarred(*[extended(b"1" * 8_000), member(".hidden")] * 300, mode="w"),
    "packed.zip": lambda: zipped({"counter.py": COUNTER}) + bytes(33 * 2**20),
    "broken.tar.gz": lambda: tarred(member("counter.py", os.urandom(5_000)))[:-3_000],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_and_write_nothing_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name]())
    with pytest.raises(UsageError) as refused:
        unpack(tmp_path / name, tmp_path / "room" / "all", ONE_SUBMISSION)
    assert refused.value.message.endswith(".")
    assert refused.value.remedy
    assert {path.name for path in tmp_path.iterdir()} <= {name, "room"}
    written = [path for path in (tmp_path / "room").rglob("*") if path.is_symlink() or path.is_fifo()]
    assert not written


def test_a_bomb_costs_its_limit_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "bomb.zip").write_bytes(zipped({"counter.py": bytes(300 * 2**20)}))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        unpack(tmp_path / "bomb.zip", tmp_path / "all", ONE_SUBMISSION)
    assert sum(path.stat().st_size for path in (tmp_path / "all").rglob("*")) == 0


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"]), st.binary(max_size=400), st.data())
def test_whatever_bytes_an_archive_is_made_of(
    tmp_path_factory: pytest.TempPathFactory, ending: str, noise: bytes, data: st.DataObject
) -> None:
    whole = zipped({"a/counter.py": COUNTER}) if ending == ".zip" else tarred(member("counter.py", COUNTER), mode="w")
    at = data.draw(st.integers(0, len(whole)))
    folder = tmp_path_factory.mktemp("noise")
    (folder / f"x{ending}").write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    with contextlib.suppress(UsageError):
        unpack(folder / f"x{ending}", folder / "all", Limits(10, 10_000, 20_000))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    assert size <= 20_000


def test_handed_in_files_are_what_a_check_would_read(tmp_path: Path) -> None:
    write(tmp_path, {"ada/01-toy/counter.py": COUNTER, "ada/01-toy/helper.py": LINE, "ada/01-toy/.git/config": b""})
    (handed,) = taken(tmp_path).handed
    assert handed == Handed(
        person="ada", exercise="01-toy", where="ada/01-toy", files={"counter.py": COUNTER, "helper.py": LINE}
    )
