"""Zygotes for tests, one of each kind: what runs in them is `zygote_driver`."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from kata.supervisor.bubblewrap import SHOWN, WORK, uid_range, zygote_command

ROOT = Path(__file__).parents[1]
DRIVER = (ROOT / "tests" / "zygote_driver.py").read_text()
UID_BASE = 1_700_000_000
OTHER_USER = 12_345
"""Somebody who isn't root, for the tests that root runs."""

_uids = itertools.count(UID_BASE + os.getpid() % 100_000 * 1000)


class Zygote:
    """A running driver, and the way to its nodes."""

    def __init__(self, mode: str, command: list[str], environment: dict[str, str], work: Path | None) -> None:
        self.mode = mode
        self.own_uids = mode == "uid" or (mode == "namespaces" and bool(uid_range()))
        self._work = work
        self._count = itertools.count()
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def order(self, name: str, *arguments: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the zygote is gone: {self.process.stderr.read().decode()}"
        reply = json.loads(answer)
        if "error" in reply:
            raise OSError(reply["error"])
        return reply["value"]

    def spawn(self, code: str, **changes: Any) -> Node:
        """Confine a new node, then run `code` in it, which sees `active`: what `confine` returned."""
        confinement = {
            "mode": self.mode,
            "directory": WORK if self._work is None else str(self._work / str(next(self._count))),
            "uid": next(_uids) if self.own_uids else None,
            "memory_mib": 256,
            "processes": 24,
            "cpu_seconds": 10,
            "file_mib": 8,
            "tmpfs_mib": 16,
        } | changes
        return Node(self, self.order("spawn", code, confinement), confinement)

    def run(self, code: str, **changes: Any) -> str:
        """All that a node prints until it ends; nothing of it is left."""
        node = self.spawn(code, **changes)
        try:
            return node.rest()
        finally:
            node.destroy()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process.stderr.close()


class Node:
    """A student process of a driver."""

    def __init__(self, zygote: Zygote, pid: int, confinement: dict[str, Any]) -> None:
        self.zygote, self.pid, self.confinement = zygote, pid, confinement

    def line(self) -> str:
        """The next line that it prints."""
        return str(self.zygote.order("line", self.pid)).strip()

    def rest(self) -> str:
        """What it prints until it and its children have closed their output."""
        return str(self.zygote.order("rest", self.pid)).strip()

    def destroy(self) -> int | None:
        status = self.zygote.order("destroy", self.pid)
        return status if status is None else int(status)


def in_bubblewrap() -> Zygote:
    """As this user."""
    command, environment = zygote_command(["-s", "-B", "-c", DRIVER])
    return Zygote("namespaces", command, environment, None)


def in_bubblewrap_as_another(folder: Path) -> Zygote:
    """As somebody who isn't root."""
    folder.mkdir(mode=0o755)
    python, packages = _readable_python(folder)
    start = (
        "import os, sys; from kata.supervisor.bubblewrap import zygote_command; "
        "command, environment = zygote_command(sys.argv[1:]); os.execve(command[0], command, environment)"
    )
    user = ["setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups", "--no-new-privs"]
    command = [*user, python, "-s", "-P", "-B", "-c", start, "-s", "-B", "-c", DRIVER]
    zygote = Zygote("namespaces", command, _environment(packages), None)
    zygote.own_uids = False
    return zygote


def under_uids(folder: Path) -> Zygote:
    """As in a container: root, with no capabilities but those to change user ids and to kill."""
    folder.mkdir(mode=0o755)
    python, packages = _readable_python(folder)
    work = folder / "work"
    work.mkdir()
    work.chmod(0o711)
    few = ["setpriv", "--bounding-set=-all,+setuid,+setgid,+kill", "--inh-caps=-all"]
    return Zygote("uid", [*few, python, "-s", "-P", "-B", "-c", DRIVER], _environment(packages), work)


def _readable_python(folder: Path) -> tuple[str, Path]:
    """The system's interpreter, and packages copied to `folder`: root's own may be unreadable to others."""
    packages = folder / "packages"
    shutil.copytree(ROOT / "kata", packages / "kata", ignore=shutil.ignore_patterns("content", "__pycache__"))
    for name in (*SHOWN, "six", "tzdata"):
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            shutil.copytree(spec.submodule_search_locations[0], packages / name)
        elif spec and spec.origin:
            shutil.copy(spec.origin, packages)
    for path in (packages, *packages.rglob("*")):
        path.chmod(0o755)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = shutil.which(version, path="/usr/bin:/usr/local/bin")
    assert python, f"{version}, which these tests run as another user, is not installed in /usr"
    return python, packages


def plainly(work: Path, prefix: list[str] | None = None) -> Zygote:
    """Without isolation; `prefix` is a command that starts another."""
    work.mkdir(exist_ok=True)
    return Zygote("plain", [*(prefix or []), sys.executable, "-s", "-B", "-c", DRIVER], _environment(ROOT), work)


def _environment(packages: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(packages), "PATH": os.defpath}


def processes_of(zygote: Zygote) -> set[int]:
    """Every process that descends from the zygote's command, as this machine numbers them, itself
    included."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(entry.parent.name)] = int(fields[1])
    found = {zygote.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def ended(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process that need not be a child ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
