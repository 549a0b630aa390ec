"""The sandbox's image: what is in it, when it is built, and what people are told when it can't be."""

from __future__ import annotations

import ast
import importlib.metadata
import io
import json
import secrets
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kata
from kata.errors import SandboxUnavailable
from kata.sandbox import image, packages
from kata.sandbox.docker import DockerLauncher, connect

PATIENCE_SECONDS = 60.0
ROOT = Path(kata.__file__).parent

NOWHERE = "localhost:1/nowhere:1"
"""A base that can't be pulled, whatever the machine's network."""


def silent(line: str) -> None:
    pass


@pytest.fixture
def own(docker_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """How this test's images are named at first: built on the packages there are, removed afterwards."""
    prefix = f"kata-test-{secrets.token_hex(4)}"
    labels = connect().inspect_image(docker_image)["Config"]["Labels"]
    monkeypatch.setattr(image, "SANDBOX", f"{prefix}-sandbox")
    monkeypatch.setenv("KATA_BASE_IMAGE", labels["kata.base"])
    yield prefix
    client = connect()
    for each in client.images():
        for tag in each["RepoTags"] or ():
            if tag.startswith(prefix):
                client.remove_image(tag, force=True)


def run(made: str, program: str) -> Any:
    """What a program prints as JSON in a sandbox of that image."""
    connection = DockerLauncher(made, command=["python3", "-s", "-P", "-B", "-c", program]).start()
    try:
        return json.loads(b"".join(iter(lambda: connection.read(1 << 20, PATIENCE_SECONDS), b"")))
    finally:
        connection.close()


def imported(path: Path) -> set[str]:
    """The modules of kata that a file imports, at any depth of it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module of it.
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {node.module, *(name for name in below if is_module(name))}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "kata"}


def is_module(name: str) -> bool:
    path = ROOT.parent / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


# What is in it


def test_all_that_the_inside_imports_is_inside() -> None:
    inside = {name for name, _ in image._sources()}
    elsewhere = {f"kata.{name.removesuffix('.py').replace('/', '.')}" for name in image.NOT_INSIDE}
    for name in inside:
        if not name.endswith(".py"):
            continue
        for module in imported(ROOT.parent / name) - elsewhere:
            path = module.replace(".", "/")
            assert {f"{path}.py", f"{path}/__init__.py"} & inside, (
                f"{name} imports {module}: add it to SOURCES in kata/sandbox/image.py, or import less."
            )


def test_no_exercise_gets_in() -> None:
    outside = ("kata/content/", "kata/cli/", "kata/sandbox/", "kata/authoring/")
    assert not [name for name, _ in image._sources() if name.startswith(outside)]


@pytest.mark.docker
def test_it_holds_this_hosts_versions_compiled(docker_image: str) -> None:
    found = run(
        docker_image,
        f"""
import importlib.metadata, importlib.util, json, pathlib, sys
names = {packages.REQUIRED!r}
sources = [str(path) for path in pathlib.Path("/opt/kata").rglob("*.py") if path.name != ".compile.py"]
import kata.protocol, kata.exercise, kata.report.model, msgspec, os
print(json.dumps({{
    "versions": {{name: importlib.metadata.version(name) for name in names}},
    "kata": kata.__version__,
    "uncompiled": [path for path in sources
                   if not os.path.exists(importlib.util.cache_from_source(path))],
    "library": os.path.exists(importlib.util.cache_from_source(os.__file__)),
    "folders": sorted(path.name for path in pathlib.Path("/opt/kata/kata").iterdir() if path.is_dir()),
}}))
""",
    )
    assert found["versions"] == {name: importlib.metadata.version(name) for name in packages.REQUIRED}
    assert found["kata"] == kata.__version__
    assert found["library"]
    # What was never meant for this version of Python does not compile; some packages ship such templates.
    assert len(found["uncompiled"]) < 5, found["uncompiled"]
    assert set(found["folders"]) == {"__pycache__", "grading", "report", "student", "supervisor"}


# When it is built


@pytest.mark.docker
def test_it_is_built_once(docker_image: str) -> None:
    lines: list[str] = []
    first = image.ensure(lines.append)
    lines.clear()
    assert image.ensure(lines.append) == first
    assert lines == []


@pytest.mark.docker
def test_other_sources_make_another_image_on_the_same_packages(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = image.ensure(silent)
    before = dict(image._sources())
    changed = {**before, "kata/changed.json": b"{}"}
    monkeypatch.setattr(image, "_sources", lambda: iter(changed.items()))
    lines: list[str] = []
    second = image.ensure(lines.append)
    assert second != first
    assert lines == ["Building the sandbox image (4/4): laying out kata"]
    assert run(second, "print(open('/opt/kata/kata/changed.json').read())") == {}

    monkeypatch.setattr(image, "PACKAGED", f"{own}-packages")
    first_tag = next(
        tag for each in connect().images(f"{own}-sandbox") if each["Id"] == first for tag in each["RepoTags"]
    )
    assert f"image {first_tag}" in image.prune()
    assert image.ensure(lines.append) == second, "The image in use was pruned."


@pytest.mark.docker
def test_it_follows_its_base(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect()
    made = client.inspect_image(image.ensure(silent))
    base = made["Config"]["Labels"]["kata.base-id"]
    client.tag(base, f"{own}-base", "1")
    monkeypatch.setenv("KATA_BASE_IMAGE", f"{own}-base:1")
    lines: list[str] = []
    again = client.inspect_image(image.ensure(lines.append))
    assert again["Config"]["Labels"]["kata.base"] == f"{own}-base:1", "Another base was asked for."
    assert lines == ["Building the sandbox image (4/4): laying out kata"]

    monkeypatch.delenv("KATA_BASE_IMAGE")
    assert image.ensure(lines.append) == again["Id"], "Without a word the last choice holds."
    assert image.image_state().base == f"{own}-base:1"


@pytest.mark.docker
def test_where_the_default_cant_be_pulled_debian_takes_its_place(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = connect().inspect_image(image.ensure(silent))["Config"]["Labels"]["kata.base-id"]
    connect().tag(base, f"{own}-base", "debian")
    monkeypatch.setattr(image, "SANDBOX", f"{own}-other")
    monkeypatch.setattr(image, "DEFAULT_BASE", NOWHERE)
    monkeypatch.setattr(image, "DEBIAN_BASE", f"{own}-base:debian")
    monkeypatch.delenv("KATA_BASE_IMAGE")
    lines: list[str] = []
    image.ensure(lines.append)
    assert lines[0].endswith(f"pulling {NOWHERE}")
    assert lines[1].endswith("Taking a base of Debian's packages instead.")
    assert image.image_state().base == f"{own}-base:debian"


# When it can't be


@pytest.mark.docker
def test_a_base_that_cant_be_had_names_all_ways_out(own: str) -> None:
    with pytest.raises(SandboxUnavailable) as told:
        image.build(silent, NOWHERE)
    assert NOWHERE in told.value.message
    for way in ("docker load", "KATA_BASE_IMAGE", "--base debian", "--sandbox bubblewrap"):
        assert way in told.value.remedy


@pytest.mark.docker
def test_a_base_without_python_is_told(own: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    connect().import_image_from_data(archive.getvalue(), repository=f"{own}-base", tag="empty")
    with pytest.raises(SandboxUnavailable, match=f"could not run python3 in {own}-base:empty"):
        image.build(silent, f"{own}-base:empty")


@pytest.mark.docker
def test_debian_needs_mmdebstrap(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "DEBIAN_BASE", f"{own}-base:unmade")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="mmdebstrap"):
        image.build(silent, "debian")


# Its packages


def probed(**facts: Any) -> packages.TargetPython:
    return packages.TargetPython.from_probe(
        {"python": "3.13.1", "machine": "x86_64", "libc": ["glibc", "2.36"], **facts}
    )


def test_pip_is_asked_for_the_wheels_that_run_there() -> None:
    glibc = probed().platforms
    assert glibc[0] == "manylinux_2_36_x86_64"
    assert "manylinux2014_x86_64" in glibc
    assert "manylinux_2_37_x86_64" not in glibc
    assert probed(libc=["musl", ""], machine="aarch64").platforms == (
        "musllinux_1_2_aarch64",
        "musllinux_1_1_aarch64",
    )


def test_a_base_with_an_old_python_is_told() -> None:
    with pytest.raises(SandboxUnavailable, match=r"Python 3\.9\.2, which is too old"):
        probed(python="3.9.2")


def test_versions_that_cant_be_had_there_give_way_to_the_newest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def refuse_pins(python: packages.TargetPython, wanted: list[str], doing: list[str]) -> str:
        asked.append(wanted)
        return "no such version" if "==" in wanted[0] else ""

    monkeypatch.setattr(packages, "_pip", refuse_pins)
    folder = tmp_path / "packages"
    folder.mkdir()
    lines: list[str] = []
    packages.install(lines.append, probed(), folder)
    assert asked[0][: len(packages.REQUIRED)] == packages.pins()
    assert asked[1] == list(packages.REQUIRED)
    assert len(lines) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


def test_what_pip_says_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "REQUIRED", ("no_such_package_of_kata",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "packages"
    folder.mkdir()
    with pytest.raises(SandboxUnavailable, match="No matching distribution found for no_such_package_of_kata"):
        packages.install(silent, probed(), folder)


def test_an_environment_without_pip_takes_the_one_python_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    python, carried = packages._pip_command()
    assert python == sys.executable
    assert zipfile.is_zipfile(Path(carried).parent)
