"""What is closed in a container that was not made for kata, that it is opened again, and what is offered there."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import stat
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from foreign import course

from kata.protocol import UIDS_FROM
from kata.sandbox import inside
from kata.sandbox.docker import PACKAGES
from kata.student import confine
from kata.supervisor import places, spawner
from kata.supervisor.failures import Inconclusive


def modes(top: Path) -> dict[str, str]:
    """The permissions of everything below, but of links."""
    found = {}
    for path in sorted(top.rglob("*")):
        if not path.is_symlink():
            found[path.relative_to(top).as_posix()] = oct(stat.S_IMODE(path.stat().st_mode))[2:]
    return found


class Tree(NamedTuple):
    """A small container, as folders: what is needed of it, and what hidden."""

    top: Path
    record: Path
    reachable: tuple[str, ...]
    hidden: tuple[str, ...]

    def close(self, *, forbidden_anyway: bool = False) -> None:
        places.close(self.record, self.reachable, self.hidden, forbidden_anyway=forbidden_anyway, top=str(self.top))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    top = Path(os.path.realpath(tmp_path)) / "top"
    for folder, mode in {
        "usr/lib/python/kata/graders": 0o755,
        "usr/local/shared": 0o1777,
        "autograder/submission": 0o777,
        "tmp/opt/venv": 0o755,
        "tmp/left": 0o755,
        "root": 0o700,
    }.items():
        (top / folder).mkdir(parents=True)
        (top / folder).chmod(mode)
    (top / "tmp").chmod(0o1777)
    for file, mode in {"usr/lib/python/os.py": 0o644, "usr/lib/noted": 0o666, "run_autograder": 0o755}.items():
        (top / file).touch()
        (top / file).chmod(mode)
    (top / "bin").symlink_to("usr")
    (top / "usr/away").symlink_to("/nowhere")
    return Tree(
        top,
        tmp_path / "record.json",
        (str(top / "usr"), str(top / "tmp/opt/venv")),
        (str(top / "usr/lib/python/kata/graders"),),
    )


def test_what_is_not_needed_is_closed(tree: Tree) -> None:
    before = modes(tree.top)
    tree.close()
    after = modes(tree.top)
    changed = {path: (before[path], after[path]) for path in before if before[path] != after[path]}
    assert changed == {
        "autograder": ("755", "750"),
        "run_autograder": ("755", "750"),
        "tmp": ("1777", "1771"),
        "tmp/left": ("755", "750"),
        "tmp/opt": ("755", "751"),
        "usr/lib/noted": ("666", "664"),
        "usr/lib/python/kata/graders": ("755", "750"),
        "usr/local/shared": ("1777", "1775"),
    }


def test_everything_is_opened_again(tree: Tree) -> None:
    before = modes(tree.top)
    tree.close()
    places.restore(tree.record)
    assert modes(tree.top) == before
    assert not tree.record.exists()
    places.restore(tree.record)


def test_what_a_killed_run_has_left_is_put_right_by_the_next(tree: Tree) -> None:
    before = modes(tree.top)
    tree.close()
    tree.close()
    places.restore(tree.record)
    assert modes(tree.top) == before


def test_what_others_changed_meanwhile_stays_theirs(tree: Tree) -> None:
    tree.close()
    (tree.top / "autograder").chmod(0o700)
    (tree.top / "tmp/left").rmdir()
    places.restore(tree.record)
    assert modes(tree.top)["autograder"] == "700"


def test_a_record_that_was_cut_short_tells_of_nothing_closed(tree: Tree) -> None:
    before = modes(tree.top)
    tree.record.write_text('[["/tmp", 10')
    places.restore(tree.record)
    assert modes(tree.top) == before
    assert not tree.record.exists()


@pytest.mark.parametrize(
    ("refused", "forbidden_anyway", "goes_on"),
    [("autograder", False, False), ("autograder", True, True), ("usr/lib/python/kata/graders", True, False)],
)
def test_what_can_t_be_closed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, refused: str, forbidden_anyway: bool, goes_on: bool
) -> None:
    """It may stay open where Landlock keeps student processes from it all the same; a grader may never."""
    change = os.chmod

    def chmod(path: str, mode: int) -> None:
        if path == str(tree.top / refused):
            raise OSError(errno.EROFS, "Read-only file system")
        change(path, mode)

    monkeypatch.setattr(os, "chmod", chmod)
    if goes_on:
        tree.close(forbidden_anyway=forbidden_anyway)
    else:
        with pytest.raises(Inconclusive, match=f"{refused} can't be closed to student code: Read-only"):
            tree.close(forbidden_anyway=forbidden_anyway)


# ---------------------------------------------------------------- in a container


class Service:
    """A container as a service starts it, with kata and its course in it."""

    def __init__(self, client: Any, image: str, **options: Any) -> None:
        self.client = client
        self.id = client.create_container(
            image,
            entrypoint=["sleep", "infinity"],
            environment={"PYTHONPATH": PACKAGES},
            host_config=client.create_host_config(network_mode="none", init=True, **options),
        )["Id"]
        client.put_archive(self.id, "/", course())
        client.start(self.id)

    def python(self, code: str) -> str:
        """What a program prints there; a failure of it fails the test."""
        command = ["python3", "-B", "-c", textwrap.dedent(code)]
        started = self.client.exec_create(self.id, command)["Id"]
        printed = self.client.exec_start(started).decode()
        assert self.client.exec_inspect(started)["ExitCode"] == 0, printed
        return printed.strip()

    def grading(self, code: str) -> str:
        """The same with the names of `GRADING`."""
        return self.python(GRADING + textwrap.dedent(code))


@pytest.fixture(scope="module")
def service(docker_image: str) -> Iterator[Callable[..., Service]]:
    """Starts such containers, with options of the engine's."""
    from kata.sandbox.docker import connect

    client, started = connect(), []

    def start(**options: Any) -> Service:
        started.append(Service(client, docker_image, **options))
        return started[-1]

    yield start
    for each in started:
        client.remove_container(each.id, force=True, v=True)


@pytest.fixture(scope="module")
def usual(service: Callable[..., Service]) -> Service:
    return service()


GRADING = """
import json, os, signal, stat, subprocess, sys, threading, time
from pathlib import Path
from kata.catalog import Catalog
from kata.grade import grade
from kata.sandbox.inside import InsideLauncher, _record
from kata.submission import read_submission

exercise = Catalog().get("15-caching")
submission = read_submission(exercise.solution_folder, exercise.file)

def reference(only=("hit",)):
    return grade(exercise, submission, InsideLauncher(), seed=7, only=only)

def modes():
    found = {}
    for top in ("/", "/dev", "/opt/kata", "/usr/local"):
        for entry in os.scandir(top):
            if not entry.is_symlink():
                found[entry.path] = stat.S_IMODE(entry.stat().st_mode)
    return found

def stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
"""


@pytest.mark.docker
def test_it_grades_there_and_leaves_everything_as_it_was(usual: Service) -> None:
    printed = usual.grading("""
        before = modes()
        report = reference()
        print(json.dumps([report.outcome, report.sandbox.name, report.sandbox.for_grades, modes() == before,
                          os.listdir("/run/kata"), os.listdir("/dev/shm/kata-work")]))
    """)
    assert json.loads(printed) == ["met", "inside", True, True, ["lock"], []]


@pytest.mark.docker
def test_two_at_a_time_are_graded_one_after_the_other(usual: Service) -> None:
    printed = usual.grading("""
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(reference().outcome)) for _ in range(3)]
        before = modes()
        for each in threads: each.start()
        for each in threads: each.join()
        print(outcomes, modes() == before)
    """)
    assert printed == "['met', 'met', 'met'] True"


@pytest.mark.docker
def test_a_sandbox_that_waits_opens_nothing_when_it_ends(usual: Service) -> None:
    printed = usual.grading("""
        before = modes()
        waiting = InsideLauncher().start()
        waiting.read(1, 60)
        outcomes = []
        graded = threading.Thread(target=lambda: outcomes.append(reference(()).outcome))
        graded.start()
        wait_for(lambda: _record().exists() and modes() != before)
        meanwhile = modes()
        waiting.close()
        print(graded.is_alive(), modes() == meanwhile, _record().exists())
        graded.join()
        print(outcomes, modes() == before)
    """)
    assert printed.splitlines() == ["True True True", "['met'] True"]


@pytest.mark.docker
@pytest.mark.parametrize("supervisor", [False, True], ids=["kata", "kata and supervisor"])
def test_a_killed_run_leaves_nothing_closed(usual: Service, supervisor: bool) -> None:
    """The supervisor opens everything when kata is gone; where it was killed as well, the next run does."""
    printed = usual.grading(f"""
        before = modes()
        pid = os.fork()
        if pid == 0:
            reference(())
        wait_for(lambda: _record().exists() and modes() != before)
        killed = [pid]
        if {supervisor}:
            killed += map(int, Path(f"/proc/{{pid}}/task/{{pid}}/children").read_text().split())
        for each in killed:  # None of them may see another one end: they would tidy up.
            os.kill(each, signal.SIGSTOP)
        wait_for(lambda: all(stopped(each) for each in killed))
        for each in killed:
            os.kill(each, signal.SIGKILL)
        if {supervisor}:
            assert modes() != before
            assert reference().outcome == "met"
        wait_for(lambda: modes() == before)
        print("open")
    """)
    assert printed == "open"


OFFER = "from kata.sandbox import inside; it = inside.offer(); print(it.available, it.summary, it.remedy)"
NO_FILTER = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["prctl"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "value": 22, "op": "SCMP_CMP_EQ"}],
        }
    ],
}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "True This is root of a container"),
        ({"cap_drop": ["SETUID", "KILL"]}, "False This container's root lacks .*: SETUID, KILL"),
        ({"security_opt": [f"seccomp={json.dumps(NO_FILTER)}"]}, "False No filter of system calls"),
    ],
    ids=["usual", "capabilities", "no filter"],
)
def test_what_is_offered(service: Callable[..., Service], options: dict[str, Any], said: str) -> None:
    assert re.match(said, service(**options).python(OFFER))


def test_it_is_not_offered_outside_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much one is root: it changes the modes of a system's folders."""
    monkeypatch.setattr("kata.sandbox.trial.in_container", lambda: False)
    monkeypatch.delenv("KATA_INSIDE", raising=False)
    inside.offer.cache_clear()
    offered = inside.offer()
    inside.offer.cache_clear()
    assert not offered.available
    assert "KATA_INSIDE" in offered.remedy


def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(inside.SandboxUnavailable, match="belongs to somebody else"):
        inside.own_folder(tmp_path / "link", 0o711)


@pytest.mark.parametrize("mapped", [65_536, 2**32 - 1])
def test_a_probe_and_a_job_never_have_the_same_user_ids(monkeypatch: pytest.MonkeyPatch, mapped: int) -> None:
    """Ends of processes go by user id: a supervisor that starts would end what another one grades."""
    monkeypatch.setattr(Path, "read_text", lambda path: f"0 1000 {mapped}\n")
    drawn = random.Random(5)
    probes, jobs = set(), set()
    for _ in range(2000):
        monkeypatch.setattr(os, "getpid", lambda: drawn.randrange(1, 1 << 22))
        probes |= set(range(first := spawner.uid_base_of_probe(), first + spawner.UIDS))
        jobs |= set(range(first := spawner._usable(UIDS_FROM + 64 * drawn.randrange(1 << 22)), first + spawner.UIDS))
    assert not probes & jobs
    assert min(probes | jobs) >= 1000
    assert max(probes | jobs) < mapped
    assert not (probes | jobs) & set(confine.REAPER_UIDS)
