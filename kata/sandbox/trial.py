"""Whether student processes can be confined here, found out by confining one that runs no student's code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TRIAL_SECONDS = 10.0

TRIAL = """
import os, sys
import kata
from kata.student import confine

c = confine.Confinement(
    mode=sys.argv[1], directory=sys.argv[2], uid=int(sys.argv[3]) or None,
    memory_mib=512, processes=8, cpu_seconds=5, file_mib=1, tmpfs_mib=1,
)
confine.prepare()
pid = confine.fork(c)
if pid == 0:
    status = 1
    try:
        active = confine.confine(c)
        # What it has not imported yet it must still be able to read.
        for path in (os.path.dirname(os.__file__), *kata.__path__):
            os.listdir(path)
        print(*active, sep=", ", flush=True)
        status = 0
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(status)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
sys.exit(os.waitstatus_to_exitcode(confine.destroy(c, pid)))
"""
"""Confines one process as for grading, and says what was active. Its arguments: mode, directory, user id or 0."""

_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_ENGINES = ("docker", "kubepods", "containerd", "libpod", "lxc")
"""What control groups of containers are named after."""


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a zygote's command that carries `TRIAL`: its status, what was active on stdout, why not on stderr.

    Raises subprocess.TimeoutExpired after TRIAL_SECONDS.
    """
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TRIAL_SECONDS,
        check=False,
        cwd="/",
    )


def in_container() -> bool:
    """Whether this process seems to run in a container, by the marks that engines leave."""
    named = "container" in os.environ or "KUBERNETES_SERVICE_HOST" in os.environ
    return named or any(mark.exists() for mark in _MARKS) or _control_groups_are_an_engine_s() or _root_is_layered()


def _control_groups_are_an_engine_s() -> bool:
    try:
        groups = Path("/proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(engine in groups for engine in _ENGINES)


def _root_is_layered() -> bool:
    """Whether the root is an overlay of image layers, as those of containers are."""
    try:
        mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    except OSError:
        return False
    return any(left.split()[4] == "/" and right.startswith("overlay ") for left, right in mounts)
