"""Writing a report's faces to files: whole or not at all, and never over a folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import reports

from kata.cli.outputs import Output, parse_outputs, write_outputs
from kata.errors import UsageError
from kata.report.model import from_json


def write(path: Path) -> None:
    write_outputs(reports.met(), [Output("json", str(path))])


def test_it_replaces_a_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    write(path)
    assert from_json(path.read_bytes()) == reports.met()
    assert list(tmp_path.iterdir()) == [path]


def test_it_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert from_json((tmp_path / "real").read_bytes()) == reports.met()


def test_a_new_file_has_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write(tmp_path / "report")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_it_writes_into_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    write(path)
    reader.join()
    assert from_json(got[0]) == reports.met()


@pytest.mark.parametrize("name", ["missing/report.json", "folder", "file/report.json", "x" * 300, "nul\0"])
def test_it_says_what_can_not_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        write_outputs(reports.met(), parse_outputs((f"json={tmp_path / name}",)))
    assert caught.value.remedy
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_a_write_that_fails_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="can't be written: No space left"):
        write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
