"""What may be handed in, and that everything else is refused with the culprit's name and a remedy."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from kata import submission
from kata.errors import UsageError
from kata.submission import Submission, check_name, read_submission


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "answer.py").write_bytes(b"x = 1\n")
    return made


def refused(path: Path, *names: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_submission(path, "answer.py")
    for name in names:
        assert name in caught.value.message
    assert caught.value.remedy.endswith(".")
    return caught.value


def test_a_folder_with_folders(folder):
    (folder / "parts" / "deep").mkdir(parents=True)
    (folder / "parts" / "deep" / "x y (1).txt").write_bytes(b"\x00\xff")
    read = read_submission(folder, "answer.py")
    assert read == Submission("mine", {"answer.py": b"x = 1\n", "parts/deep/x y (1).txt": b"\x00\xff"})


def test_a_single_file_stands_for_the_stub_whatever_its_name(tmp_path):
    (tmp_path / "my attempt 2.py").write_bytes(b"y")
    assert read_submission(tmp_path / "my attempt 2.py", "answer.py") == Submission(
        "my attempt 2.py", {"answer.py": b"y"}
    )


def test_a_folder_is_called_by_its_own_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert read_submission(Path("."), "answer.py").name == "mine"


def test_the_digest_is_of_names_and_contents():
    one = Submission("a", {"x": b"12", "y": b""})
    assert one.digest == Submission("b", {"y": b"", "x": b"12"}).digest
    others = [{"x": b"1", "y": b"2"}, {"x": b"12"}, {"x": b"", "y": b"12"}, {"x\0" + "2": b"12", "y": b""}]
    assert one.digest not in {Submission("a", files).digest for files in others}


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".hidden.py",
        "answer.py~",
        "#answer.py#",
        ".answer.py.swp",
        "__pycache__/a.pyc",
        "venv/lib.py",
        "node_modules/a.js",
    ],
)
def test_leftovers_of_editors_and_tools_are_left_out(folder, name):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    assert set(read_submission(folder, "answer.py").files) == {"answer.py"}


def test_a_hidden_link_is_left_out_too(folder):
    (folder / ".#answer.py").symlink_to("someone@host.123")
    assert set(read_submission(folder, "answer.py").files) == {"answer.py"}


def test_what_is_missing(tmp_path, folder):
    refused(tmp_path / "nothing", "nothing", "no such file")
    refused(folder / "answer.py" / "below", "not a directory")
    (folder / "answer.py").rename(folder / "other.py")
    refused(folder, "holds no answer.py")


@pytest.mark.parametrize("target", ["/etc/passwd", "answer.py", "nowhere", "."])
def test_a_link_inside_is_refused(folder, target):
    (folder / "link").symlink_to(target)
    refused(folder, "link is a link")


def test_a_link_as_the_file_itself_is_refused(folder):
    (folder / "link.py").symlink_to("answer.py")
    refused(folder / "link.py", "link.py is a link")


def test_a_link_that_takes_a_files_place_is_not_followed(folder, monkeypatch):
    real = submission._walk

    def swap(root, inside=""):
        names = list(real(root, inside))
        (folder / "answer.py").unlink()
        (folder / "answer.py").symlink_to("/etc/passwd")
        return names

    monkeypatch.setattr(submission, "_walk", swap)
    refused(folder, "answer.py can't be read")


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    refused(folder, "pipe is not a regular file")
    refused(folder / "pipe", "pipe is neither a file nor a folder")


def test_a_device_is_refused():
    refused(Path("/dev/zero"), "/dev/zero is neither a file nor a folder")


def test_too_many_files(folder):
    for number in range(submission.ENTRIES_MAX):
        (folder / f"f{number}").touch()
    refused(folder, "more than 200 files")


def test_too_many_files_of_which_none_count(folder, monkeypatch):
    monkeypatch.setattr(submission, "SCANNED_MAX", 5)
    for number in range(5):
        (folder / f".f{number}").touch()
    refused(folder, "more than 5 files")


def test_too_large(folder):
    (folder / "big").write_bytes(bytes(submission.FILE_BYTES_MAX))
    assert len(read_submission(folder, "answer.py").files) == 2
    (folder / "big").write_bytes(bytes(submission.FILE_BYTES_MAX + 1))
    refused(folder, "big is larger than 1 MiB")
    (folder / "big").unlink()
    for number in range(4):
        (folder / f"part{number}").write_bytes(bytes(submission.FILE_BYTES_MAX))
    refused(folder, "holds more than 4 MiB")


@pytest.mark.parametrize(
    "name",
    [
        "new\nline.py",
        "back\\slash",
        "quote'",
        'quote"',
        "dollar$",
        "colon:x",
        "tab\t",
        "\x1b[31mred",
        "ends.",
        "ends ",
        "-dash",
        " space",
        "a" * 101,
        "u\u202ex",
        unicodedata.normalize("NFD", "é.py"),
        "$",
        "(",
    ],
)
def test_bad_names_are_refused(folder, name):
    (folder / name).write_bytes(b"")
    error = refused(folder, "is not a name that a submission may have")
    assert "\x1b" not in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a//b", "a/../b", "./a", "a/", ".", "..", "a\0b", "/".join("abcdefghi")]
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.parametrize("name", ["é.py", "a/b/c/d/e/f/g/h", "日本.txt", "x+y@1,2 (3) [4]=5.md", "_"])
def test_ordinary_names_are_allowed(name):
    check_name(name)


def test_a_name_that_is_no_text_is_refused(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe")).touch()
    error = refused(folder, "is not a name that a submission may have")
    error.message.encode()


@pytest.mark.parametrize(("one", "other"), [("Notes.md", "notes.md"), ("a/x", "A/y"), ("straße", "STRASSE")])
def test_names_that_differ_only_by_case_are_refused(folder, one, other):
    for name in (one, other):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    refused(folder, "differ only by case")


def test_folders_without_end_are_refused(folder):
    deep = folder / "a/a/a/a/a/a/a/a/a/a"
    deep.mkdir(parents=True)
    refused(folder, "is not a name that a submission may have")


def test_what_cannot_be_read_is_said(folder, monkeypatch):
    def forbidden(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(submission.os, "open", forbidden)
        refused(folder, "answer.py can't be read: permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(submission.os, "scandir", forbidden)
        refused(folder, "mine can't be read: permission denied")
