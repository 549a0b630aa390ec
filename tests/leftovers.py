"""What a run may leave on the machine: processes, folders, containers."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path


def left_behind(pid: int) -> list[str]:
    """Folders, processes and containers of the run of the kata that had that pid."""
    return folders_of(pid) + processes_of(pid) + containers_of(pid)


def folders_of(pid: int) -> list[str]:
    """Where it kept its files."""
    places = {Path("/dev/shm"), Path(tempfile.gettempdir())}
    return [str(path) for place in places if place.is_dir() for path in place.glob(f"kata-run-{pid}-*")]


def processes_of(pid: int) -> list[str]:
    """Command lines of what still runs of it, on this machine outside of containers."""
    mark, left = f"kata-run-{pid}-", []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            environment = (entry / "environ").read_bytes().decode("utf-8", "replace")
            folder = os.readlink(entry / "cwd")
        except OSError:
            continue
        if mark in words or mark in environment or mark in folder:
            left.append(words)
    return left


def containers_of(pid: int, running: bool = False) -> list[str]:
    """Its containers, with `running` those that have not ended."""
    return [each for each in containers(running) if each.endswith(f"|{pid}")]


def orphans() -> set[tuple[str, str]]:
    """Pid and command of each process of a run whose parent is gone."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            parent = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        except OSError:
            continue
        if parent == "1" and re.search(r"kata\.(supervisor|student)|\bbwrap\b", words):
            found.add((entry.name, words))
    return found


def lasting(found: set[tuple[str, str]], seconds: float = 10) -> set[tuple[str, str]]:
    """Those of them that stay. A process of another test that is just about to end may be among the orphans."""
    until = time.monotonic() + seconds
    while found and time.monotonic() < until:
        time.sleep(0.1)
        found = found & orphans()
    return found


def containers(running: bool = False) -> list[str]:
    """`name|pid of the kata that owns it` of each container of ours; none where there is no daemon."""
    from kata.sandbox import docker

    if not docker.offer().available:
        return []
    from docker import from_env

    client = from_env()
    try:
        found = client.api.containers(all=not running, filters={"label": [docker.RUN_LABEL]})
    finally:
        client.close()
    owner = re.compile(r"\d+")
    return [
        f"{each['Id'][:12]}|{(owner.findall(each['Labels'].get(docker.OWNER_LABEL, '')) or ['?'])[0]}" for each in found
    ]
