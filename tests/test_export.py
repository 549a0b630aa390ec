"""What course platforms take, run as they run it: Gradescope's in a container without network, GitHub's by steps."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attack
import pytest
import yaml

from kata.catalog import Catalog
from kata.cli.app import run as run_command
from kata.errors import EXIT_USAGE
from kata.export.github import PATH, workflow
from kata.export.gradescope import autograder, wheels

ROOT = Path(__file__).resolve().parent.parent
TOY = ROOT / "tests" / "toy_course"
EXERCISE = "15-caching"
WHEEL = {"a-1-py3-none-any.whl": b"wheel"}


def entries(archive: bytes) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {entry.filename: entry for entry in opened.infolist()}


class TestArchive:
    def test_it_holds_what_grades_and_no_solution(self) -> None:
        exercise = Catalog().get(EXERCISE)
        found = entries(autograder(exercise, WHEEL))
        assert {"setup.sh", "run_autograder", "wheels/a-1-py3-none-any.whl", "kata/kata/__main__.py"} <= set(found)
        graders = {name for name in found if name.startswith("kata/graders/")}
        assert graders == {f"kata/graders/{EXERCISE}/{path.name}" for path in exercise.grader_folder.glob("*.py")}
        others = [each for each in Catalog().ids() if each != EXERCISE]
        assert not [name for name in found if "solutions" in name or any(f"/{each}/" in name for each in others)]
        assert not [name for name in found if "__pycache__" in name or name.startswith("kata/kata/content")]

    def test_its_programs_can_be_run(self) -> None:
        archive = autograder(Catalog(TOY).get("01-toy"), WHEEL)
        for name in ("setup.sh", "run_autograder"):
            assert entries(archive)[name].external_attr >> 16 & stat.S_IXUSR
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                subprocess.run(["bash", "-n"], input=opened.read(name), check=True)

    def test_the_same_again(self) -> None:
        exercise = Catalog(TOY).get("01-toy")
        assert autograder(exercise, WHEEL) == autograder(exercise, WHEEL)


@pytest.mark.parametrize("platform", ["gradescope", "github"])
def test_an_exercise_must_be_named(capsys: pytest.CaptureFixture[str], platform: str) -> None:
    assert run_command(["export", platform]) == EXIT_USAGE
    assert "kata list" in capsys.readouterr().err


# ---------------------------------------------------------------- Gradescope


class Gradescope:
    """A container with an autograder installed in it, and no network from its beginning to its end."""

    def __init__(self, client: Any, base: str, archive: bytes) -> None:
        self.client = client
        self.id = client.create_container(
            base,
            entrypoint=["sleep", "infinity"],
            host_config=client.create_host_config(network_mode="none", init=True),
        )["Id"]
        client.start(self.id)
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = {f"source/{name}": (opened.read(name), 0o755) for name in opened.namelist()}
        files["run_autograder"] = files["source/run_autograder"]
        self.put(files)
        self.run("bash", "/autograder/source/setup.sh")

    def put(self, files: dict[str, tuple[bytes, int]]) -> None:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for folder in ("autograder", "autograder/submission", "autograder/results"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o777
                archive.addfile(entry)
            for name, (data, mode) in files.items():
                entry = tarfile.TarInfo(f"autograder/{name}")
                entry.size, entry.mode = len(data), mode
                archive.addfile(entry, io.BytesIO(data))
        self.client.put_archive(self.id, "/", target.getvalue())

    def run(self, *command: str) -> str:
        started = self.client.exec_create(self.id, list(command), workdir="/autograder")["Id"]
        printed = self.client.exec_start(started).decode()
        assert self.client.exec_inspect(started)["ExitCode"] == 0, printed
        return str(printed)

    def grade(self, files: dict[str, bytes]) -> dict[str, Any]:
        """The results for a submission, once they are known to be what Gradescope takes."""
        self.run("sh", "-c", "rm -rf submission/* results/*")
        self.put({f"submission/{name}": (data, 0o644) for name, data in files.items()})
        printed = self.run("./run_autograder")
        results: dict[str, Any] = json.loads(self.run("cat", "results/results.json"))
        is_what_gradescope_takes(results)
        return {**results, "printed": printed}


def is_what_gradescope_takes(results: dict[str, Any]) -> None:
    """By https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    formats, visible = {"text", "html", "simple_format", "md", "ansi"}, {"hidden", "after_due_date", "visible"}
    assert isinstance(results["score"], int | float)
    assert results["output"].strip()
    assert results["output_format"] in formats
    assert {results["visibility"], results["stdout_visibility"]} <= visible
    for test in results["tests"]:
        assert 0 <= test["score"] <= test["max_score"]
        assert test.get("status", "passed") in ("passed", "failed")
        assert test["output_format"] in formats
        assert isinstance(test["name"], str)
    if results["tests"]:
        assert sum(test["max_score"] for test in results["tests"]) == 100
        assert sum(test["score"] for test in results["tests"]) == results["score"]


@pytest.fixture(scope="module")
def gradescope(docker_image: str) -> Iterator[Gradescope]:
    from kata.sandbox.docker import connect
    from kata.sandbox.image import image_state

    client = connect()
    exercise = Catalog().get(EXERCISE)
    running = Gradescope(client, image_state(client).base, autograder(exercise, wheels(lambda line: None)))
    yield running
    client.remove_container(running.id, force=True, v=True)


@pytest.mark.docker
@pytest.mark.slow
class TestGradescope:
    def test_the_reference_has_all_points(self, gradescope: Gradescope) -> None:
        exercise = Catalog().get(EXERCISE)
        results = gradescope.grade({exercise.file: attack.reference_of(exercise).read_bytes()})
        assert results["score"] == 100, results["printed"]
        assert results["extra_data"]["for_grades"]
        assert results["extra_data"]["sandbox"] == "graded in inside"
        assert "seccomp" in results["extra_data"]["protections"]

    def test_the_stub_has_few_and_is_told_why(self, gradescope: Gradescope) -> None:
        exercise = Catalog().get(EXERCISE)
        results = gradescope.grade({exercise.file: (exercise.folder / exercise.file).read_bytes()})
        assert results["score"] <= 5
        assert any("NotImplementedError" in test["output"] for test in results["tests"])

    @pytest.mark.parametrize("name", ["forge/results_everywhere", "read/guessed_paths", "collude/shared_files"])
    def test_an_attack_gains_nothing(self, gradescope: Gradescope, name: str) -> None:
        tried = next(each for each in attack.attacks() if each.name == name)
        results = gradescope.grade({"cache_aside.py": tried.path.read_bytes()})
        assert results["score"] <= 5
        assert "BREACH" not in results["printed"]
        assert "BREACH" not in json.dumps(results)

    @pytest.mark.parametrize("files", [{}, {"other.py": b""}, {"cache_aside.py": b"\xff", "a/b\n.py": b""}])
    def test_what_can_t_be_read_is_told(self, gradescope: Gradescope, files: dict[str, bytes]) -> None:
        results = gradescope.grade(files)
        assert results["score"] == 0
        assert results["extra_data"]["outcome"] == "unmet"
        assert "can't be graded" in results["output"] or "could not be graded" in results["output"]

    def test_our_fault_is_told_as_ours(self, gradescope: Gradescope) -> None:
        gradescope.run("mv", "/opt/kata/kata/supervisor", "/opt/kata/away")
        try:
            broken = gradescope.grade({"cache_aside.py": b""})
        finally:
            gradescope.run("mv", "/opt/kata/away", "/opt/kata/kata/supervisor")
        gradescope.run("mv", "/opt/kata", "/opt/away")
        try:
            gone = gradescope.grade({"cache_aside.py": b""})
        finally:
            gradescope.run("mv", "/opt/away", "/opt/kata")
        for results in (broken, gone):
            assert results["extra_data"]["outcome"] == "inconclusive"
            assert "not yours" in results["output"]


# ---------------------------------------------------------------- GitHub


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    [job] = document["jobs"].values()
    return list(job["steps"])


def test_the_workflow_asks_for_little() -> None:
    document = yaml.safe_load(workflow([Catalog().get("15-caching"), Catalog().get("17-cap")]))
    assert document["permissions"] == {"contents": "read"}
    assert set(document[True]) == {"push", "pull_request", "workflow_dispatch"}  # YAML 1.1 reads `on` as true
    assert document["jobs"]["check"]["strategy"]["matrix"] == {"exercise": ["15-caching", "17-cap"]}
    used = [step["uses"] for step in steps(document) if "uses" in step]
    assert [name.partition("@")[0] for name in used] == [
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    ]
    assert all(name.partition("@")[2][1:].isdecimal() for name in used)
    # An expression in a script would be filled in before bash reads it.
    assert not [step for step in steps(document) if "${{" in step.get("run", "")]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a runner whose package index has this kata."""
    place = tmp_path_factory.mktemp("runner")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT)]
    for command in (wheel, [sys.executable, "-m", "venv", str(place / "venv")]):
        subprocess.run(command, cwd=place, check=True)
    hidden = ("PYTHON", "KATA_", "COV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    links = f"{place} {os.environ.get('PIP_FIND_LINKS', '')}".strip()
    path = f"{place / 'venv/bin'}:{os.environ['PATH']}"
    return kept | {"PIP_FIND_LINKS": links, "PATH": path, "KATA_HOME": str(place / "home"), "DOCKER_HOST": "unix:///no"}


@pytest.mark.slow
@pytest.mark.parametrize(("role", "status"), [("reference", 0), ("stub", 1)])
def test_its_steps_run(runner: dict[str, str], tmp_path: Path, role: str, status: int) -> None:
    exercise = Catalog().get(EXERCISE)
    assert run_command(["export", "github", EXERCISE, "--to", str(tmp_path)]) == 0
    document = yaml.safe_load((tmp_path / PATH).read_text())
    (tmp_path / EXERCISE).mkdir()
    source = attack.reference_of(exercise) if role == "reference" else exercise.folder / exercise.file
    (tmp_path / EXERCISE / exercise.file).write_bytes(source.read_bytes())
    summary = tmp_path / "summary.md"
    summary.touch()
    environment = runner | {"EXERCISE": EXERCISE, "GITHUB_STEP_SUMMARY": str(summary)}
    scripts = [step["run"] for step in steps(document) if "run" in step]
    for number, script in enumerate(scripts, start=1):
        # As the runner calls bash for a step without a `shell`.
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == (status if number == len(scripts) else 0), done.stderr
    lines = done.stdout.splitlines()
    assert lines
    assert all(line.startswith(("::notice ", "::error ")) for line in lines)
    assert ("::error" in done.stdout) == (role == "stub")
    assert summary.read_text().startswith("## ✓ 100/100" if role == "reference" else "## ✗ ")
    assert {path.name for path in (tmp_path / "kata-report").iterdir()} == {"report.html", "report.json", "junit.xml"}
