"""Submissions of an exercise's own that are built on an installed package: what travels with them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from kata.authoring.packages import with_packages
from kata.submission import Submission

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{requires}"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs distributions, each a name, its files, and what it requires."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> None:
        info = f"{name}-1.dist-info"
        wanted = "".join(f"Requires-Dist: {each}\n" for each in requires)
        files = files | {f"{info}/METADATA": METADATA.format(name=name, requires=wanted), f"{info}/RECORD": ""}
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        (tmp_path / info / "RECORD").write_text("".join(f"{path},,\n" for path in files))

    return install


def travelling(source: str) -> set[str]:
    return set(with_packages(Submission("x", {"x.py": source.encode()})).files)


def test_a_submission_of_its_own_stays_as_it_is() -> None:
    assert travelling("import asyncio, json\nfrom . import y\n") == {"x.py"}


def test_a_distribution_travels_whole_with_what_it_requires(installed) -> None:
    installed("kata_below", {"kata_below.py": ""})
    installed(
        "kata_above",
        {"kata_above/__init__.py": "", "kata_above/data/script.lua": "", "kata_above/fast.so": ""},
        ("kata_below (>=1,<2)", "kata_absent; python_version < '3'", "kata_extra; extra == 'all'"),
    )
    installed("kata_extra", {"kata_extra.py": ""})
    assert {path for path in travelling("from kata_above.data import z") if "__pycache__" not in path} == {
        "x.py",
        "kata_above/__init__.py",
        "kata_above/data/script.lua",
        "kata_below.py",
    }


def test_its_modules_are_compiled_already(installed, tmp_path, monkeypatch) -> None:
    installed(
        "kata_ready", {"kata_ready/__init__.py": "", "kata_ready/a.py": "ANSWER = 42", "kata_ready/b.py": "not it"}
    )
    submission = with_packages(Submission("x", {"x.py": b"import kata_ready"}))
    there = tmp_path / "there"
    for path, content in submission.files.items():
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        (there / path).write_bytes(content)
    (there / "kata_ready/a.py").write_text("raise AssertionError('compiled anew')")
    monkeypatch.syspath_prepend(str(there))
    module = importlib.import_module("kata_ready.a")
    assert (module.ANSWER, module.__file__) == (42, str(there / "kata_ready/a.py"))


def test_a_loose_module_travels_and_what_is_not_installed_is_left_out(tmp_path, monkeypatch) -> None:
    (tmp_path / "kata_loose.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert travelling("import kata_loose, kata_nowhere") == {"x.py", "kata_loose.py"}
    assert "kata_loose" not in sys.modules
