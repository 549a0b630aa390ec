"""The `inside` sandbox: kata runs as root in a container that somebody else made, as graders of course platforms do.

    container of the service
      kata (root) ──▶ supervisor (root) ──▶ student processes, each under a user id of its own

What the docker sandbox gets from the engine is done here with what root of a container may do: student processes have
the same user ids, limits and filter of system calls; what they don't need of the container is closed to them while a
run lasts (`kata.supervisor.places`); and one submission runs at a time, since all memory and files are shared.
"""

from __future__ import annotations

import fcntl
import functools
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from kata.errors import SandboxUnavailable
from kata.report.model import SandboxInfo
from kata.sandbox import Offer, trial
from kata.sandbox.process import ChildConnection, ChildEnding, remove_tree, run_folder
from kata.student import kernel
from kata.supervisor import places
from kata.supervisor.spawner import uid_base_of_probe

STATE = Path("/run/kata")
"""Root's own: the lock by which one run at a time has student processes, and the record of what is closed for it."""
WORKS = Path("kata-work")
"""Where runs keep the folders of their student processes, in one of `PLACES`."""
PLACES = (Path("/dev/shm"), Path("/run"))  # noqa: S108 - only root's own folder in it is used
"""Of these the first that everybody may pass. Containers have the first one bounded, and run no programs from it."""

CAPABILITIES = {"SETUID": kernel.CAP_SETUID, "SETGID": kernel.CAP_SETGID, "KILL": kernel.CAP_KILL}
BOUNDED_BYTES = 1 << 30

_FOR_CONTAINERS = (
    "It is for graders that run as root in a container of their own; `KATA_INSIDE=1` says that this is one."
)


class InsideLauncher:
    """Starts supervisors as children, each student process under a user id of its own."""

    name = "inside"
    is_lasting = False

    def start(self, lanes: int = 1) -> InsideConnection:
        """Start a supervisor. Raises SandboxUnavailable when its folders can't be made, or no process be started."""
        return InsideConnection(lanes)

    def info(self) -> SandboxInfo:
        """What it isolates, without what only a run can tell."""
        return SandboxInfo(
            name="inside",
            for_grades=True,
            isolates=("files", "network", "processes", "memory, CPU time and files of each process"),
            lacks=("the memory and the number of files of all processes together", *_lacking()),
        )


class InsideConnection(ChildConnection):
    """A supervisor that gets its job once no other run in this container has student processes any more."""

    def __init__(self, lanes: int) -> None:
        own_folder(STATE, 0o700)
        self._work = _work_folder()
        # The supervisor inherits the lock: should this process be killed, it holds until all is open again.
        self._lock = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._is_closed = False
        try:
            super().__init__(
                "uid",
                lanes,
                # Not beside the student processes' folders: whoever fills up those must not stop the supervisor.
                root=Path(tempfile.gettempdir()),
                options=("--work", str(self._work), "--record", str(_record())),
                inherited=(self._lock,),
            )
        except BaseException:
            self._leave()
            raise

    def write(self, data: bytes) -> None:
        """Hand over the job, when it is this run's turn."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        super().write(data)

    def close(self) -> ChildEnding:
        ending = super().close()
        if not self._is_closed:
            self._is_closed = True
            self._open_again()
            self._leave()
        return ending

    def _leave(self) -> None:
        os.close(self._lock)
        remove_tree(self._work)

    def _open_again(self) -> None:
        """The supervisor has done so, unless it was killed; then the record is there, and nobody else's turn yet."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        places.restore(_record())


@functools.cache
def offer() -> Offer:
    """Whether this is root of a container that student processes can be confined in, found out by confining one."""
    if sys.platform != "linux" or os.geteuid() != 0 or not (trial.in_container() or os.environ.get("KATA_INSIDE")):
        return _unavailable("This is not root of a container.", _FOR_CONTAINERS)
    missing = [name for name, bit in CAPABILITIES.items() if not kernel.capabilities()[0] >> bit & 1]
    if missing:
        return _unavailable(
            f"This container's root lacks what it takes to change user ids and end processes: {', '.join(missing)}.",
            "Start the container with an engine's usual capabilities.",
        )
    try:
        active = _protections()
    except SandboxUnavailable as error:
        return _unavailable(error.message, error.remedy)
    if "seccomp" not in active:
        return _unavailable(
            "No filter of system calls can be loaded here, so student code would have the network.",
            "Start the container on Linux x86_64 or aarch64, with a seccomp profile that allows more filters.",
        )
    return Offer(
        name="inside",
        available=True,
        summary="This is root of a container, and student processes can be confined in it.",
        facts=(("protections", ", ".join(active)), ("kernel", os.uname().release)),
    )


def own_folder(path: Path, mode: int) -> None:
    """Make a folder of root's own with that mode, or see that it is one. Raises SandboxUnavailable."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            path.chmod(mode)
            return
    except OSError as error:
        raise SandboxUnavailable(
            f"{path} can't be made: {error.strerror}.", "Start the container with a file system that can be written."
        ) from error
    raise SandboxUnavailable(f"{path} belongs to somebody else.", f"Remove {path}.")


@functools.cache
def _protections() -> tuple[str, ...]:
    """What is active in a student process here. Raises SandboxUnavailable where none can be confined."""
    work = _work_folder()
    arguments = ["-s", "-P", "-B", "-c", trial.TRIAL, "uid", str(work / "trial"), str(uid_base_of_probe())]
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.defpath}
    try:
        done = trial.run([sys.executable, *arguments], environment)
    except subprocess.TimeoutExpired:
        raise SandboxUnavailable(
            f"A trial took longer than {trial.TRIAL_SECONDS:g} s.", "Try again when the machine is less busy."
        ) from None
    finally:
        remove_tree(work)
    if done.returncode == 0:
        return tuple(done.stdout.strip().split(", "))
    said = (done.stderr.strip().splitlines() or ["it ended without a message"])[-1]
    remedy = "Use docker from outside this container."
    if "Permission denied" in said:
        remedy = "Install Python and kata where every user may read, as in /opt: student code runs as another user."
    raise SandboxUnavailable(f"Student processes can't be confined here: {said}.", remedy)


def _lacking() -> tuple[str, ...]:
    """What depends on the container and its kernel."""
    disk = os.statvfs(_works())
    lacks = {
        "files of the system that everybody may read": "landlock" not in _protections(),
        "the size of all files together": disk.f_blocks * disk.f_frsize > BOUNDED_BYTES,
        "programs that a submission brings along": not disk.f_flag & os.ST_NOEXEC,
    }
    return tuple(each for each, lacking in lacks.items() if lacking)


def _works() -> Path:
    return next((place / WORKS for place in PLACES if place.is_dir() and place.stat().st_mode & 1), PLACES[-1] / WORKS)


def _work_folder() -> Path:
    """A folder of this run's own, in which student processes will have theirs."""
    own_folder(_works(), 0o711)
    folder = run_folder(_works())
    folder.chmod(0o711)
    return folder


def _record() -> Path:
    return STATE / "closed.json"


def _unavailable(summary: str, remedy: str) -> Offer:
    return Offer(name="inside", available=False, summary=summary, remedy=remedy)
