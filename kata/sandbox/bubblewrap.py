"""The `bubblewrap` sandbox: the supervisor is an ordinary child, its student processes run in namespaces.

What those see, and with what rights, is in `kata.supervisor.bubblewrap` and `kata.student.confine`.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kata.errors import SandboxUnavailable
from kata.report.model import SandboxInfo
from kata.sandbox import Offer, trial
from kata.sandbox.process import ChildConnection

_SYSCTL = Path("/proc/sys")

_INSTALL = "Install it, as in `apt-get install bubblewrap` or `dnf install bubblewrap`."
_SET_UID = "Make it an ordinary program: `sudo chmod u-s {bwrap}`."
_APPARMOR = (
    "Allow it to bubblewrap: write the two lines `abi <abi/4.0>,` and "
    "`profile bwrap {bwrap} flags=(unconfined) {{ userns, }}` into /etc/apparmor.d/bwrap, and run "
    "`sudo systemctl reload apparmor`. Or allow it to every program: "
    "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`."
)
_CLONE = "Allow them: `sudo sysctl -w kernel.unprivileged_userns_clone=1`."
_NAMESPACES_MAX = "Allow them: `sudo sysctl -w user.max_user_namespaces=10000`."
_CONTAINER = (
    "Use docker from outside, or start this container with "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined`."
)


class BubblewrapLauncher:
    """Starts supervisors as children, each student process in namespaces of its own."""

    name = "bubblewrap"
    is_lasting = True

    def start(self, lanes: int = 1) -> ChildConnection:
        """Start a supervisor. Raises SandboxUnavailable when no process can be started."""
        return ChildConnection("namespaces", lanes)

    def info(self) -> SandboxInfo:
        """What it isolates, without what only a run can tell."""
        return SandboxInfo(
            name="bubblewrap",
            for_grades=True,
            isolates=("files", "network", "processes", "memory, CPU time and files of each process"),
            lacks=("the memory of all processes together",),
        )


@functools.cache
def offer() -> Offer:
    """Whether bubblewrap works here, found out by confining one process. Takes 0.2 s; at most
    trial.TRIAL_SECONDS."""
    bwrap = shutil.which("bwrap")
    if sys.platform != "linux":
        return _unavailable("bubblewrap needs Linux.", "Use docker.")
    if bwrap is None:
        return _unavailable("bubblewrap is not installed.", _INSTALL)
    try:
        done = _try()
    except SandboxUnavailable as error:
        return _unavailable(error.message, error.remedy)
    except subprocess.TimeoutExpired:
        return _unavailable(
            f"bubblewrap did not answer within {trial.TRIAL_SECONDS:g} s.",
            "Try again when the machine is less busy.",
        )
    if done.returncode != 0:
        return _unavailable(*explain(done.stderr, bwrap))
    from kata.supervisor.bubblewrap import uid_range, version

    number = ".".join(map(str, version(bwrap)))
    return Offer(
        name="bubblewrap",
        available=True,
        summary=f"bubblewrap {number} works.",
        facts=(
            ("protections", done.stdout.strip()),
            (
                "user ids",
                "one for each student process" if uid_range() else "this user's, in a user namespace",
            ),
            ("kernel", os.uname().release),
        ),
    )


def explain(errors: str, bwrap: str) -> tuple[str, str]:
    """Why bubblewrap failed, in a sentence, and what to do; `errors` is what it wrote, `bwrap` its path."""
    if "setuid" in errors:
        return "bubblewrap is installed set-user-ID, which allows no namespaces inside.", _SET_UID.format(bwrap=bwrap)
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "This system allows user namespaces to root only.", _CLONE
    if _setting("user/max_user_namespaces") == "0" or "ENOSPC" in errors:
        return "This system allows no more user namespaces.", _NAMESPACES_MAX
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "AppArmor keeps bubblewrap from using user namespaces.", _APPARMOR.format(bwrap=bwrap)
    if trial.in_container():
        return "This container allows no namespaces inside.", _CONTAINER
    lines = errors.strip().splitlines() or ["it ended without a message"]
    return f"bubblewrap does not work here: {lines[-1]}.", "Use docker."


def _try() -> subprocess.CompletedProcess[str]:
    from kata.supervisor.bubblewrap import WORK, uid_range, zygote_command

    uid = uid_range()[-1] if uid_range() else 0
    return trial.run(*zygote_command(["-s", "-B", "-c", trial.TRIAL, "namespaces", WORK, str(uid)]))


def _setting(name: str) -> str:
    """A kernel setting; empty where the kernel has it not."""
    try:
        return (_SYSCTL / name).read_text().strip()
    except OSError:
        return ""


def _unavailable(summary: str, remedy: str) -> Offer:
    return Offer(name="bubblewrap", available=False, summary=summary, remedy=remedy)
