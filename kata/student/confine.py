"""How a student process is confined, and how it is ended so that nothing of it stays.

    zygote ──fork()──▶ child ──confine()──▶ student code
       └──────────────destroy()──────────────▶ gone: processes, files, shared memory

Three modes. `uid`: the zygote is root in a container with CAP_SETUID, CAP_SETGID and CAP_KILL, and each node
gets another user id. `namespaces`: the zygote runs in bubblewrap, and each node is the first process of pid,
mount and IPC namespaces of its own, with a tmpfs of its own; where the zygote is root, also under another
user id. `plain`: limits and a session of its own, no isolation.

What a mode promises fails closed; seccomp and Landlock are put on top where the kernel has them.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import msgspec

from kata.student import kernel, landlock, leftovers, seccomp

Mode = Literal["uid", "namespaces", "plain"]

FILES_MAX = 256
"""Open descriptors of one node."""
NODES_MAX = 64
NICE = 5
"""Against the supervisor. Nicer would starve: at 19 a busy neighbour leaves a student process 1.5 % of a
core."""
INODES_MAX = 4096

_NAMESPACES = kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC
_MIB = 1024 * 1024
REAPER_UIDS = range(60_578, 61_184)
"""Of nobody, also in systemd's table: whom a zygote pretends to be while it kills, one of them by its pid.
Student code may not signal it, nor may another zygote, should two ever see each other."""
_REAP_TURNS_MAX = 1000
_REAP_TURN_SECONDS = 0.01


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """Within what one student process runs."""

    mode: Mode
    directory: str
    """Its own, and its working directory. `uid` and `plain` make and remove it; in `namespaces` it is an
    empty directory of the sandbox, on which each node mounts a tmpfs that only it sees."""
    uid: int | None
    """Its user and group id, which nothing else uses; None keeps the zygote's (never in `uid`)."""
    memory_mib: int
    """Address space of each of its processes."""
    processes: int
    """Processes and threads, where they can be counted: not in `plain`, and without a uid of its own only
    together with those of all other nodes (`NODES_MAX` more are allowed), from Linux 5.14 on."""
    cpu_seconds: int
    """CPU time of each of its processes."""
    file_mib: int
    """Size of each of its files."""
    tmpfs_mib: int
    """Size of all its files, in `namespaces`."""


_readable: tuple[str, ...] = ()
_filter = b""
_nodes: set[int] = set()
_zygotes: set[int] = set()
"""Forks of this zygote that serve others."""
_statuses: dict[int, int] = {}
"""Of nodes that ended while another one was being destroyed."""


def prepare() -> None:
    """Once, when the zygote starts, before the first fork. The zygote must never have a second thread."""
    if not kernel.LINUX:
        return
    global _readable, _filter
    _readable = landlock.readable()
    _filter = seccomp.program(kernel.MACHINE)
    _adopt_orphans()
    kernel.limit_malloc_arenas(2)
    kernel.empty_bounding_set()


def _adopt_orphans() -> None:
    """Orphans of student processes become children of the zygote, which reaps them."""
    if kernel.LINUX:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def fork_zygote() -> int:
    """Like `os.fork`; the child has no nodes yet, and whatever it starts is its own."""
    _reap_strays(kill=False)
    pid = os.fork()
    if pid:
        _zygotes.add(pid)
    else:
        for others in (_nodes, _statuses, _zygotes):
            others.clear()
        _adopt_orphans()
    return pid


def wait_for_zygotes() -> None:
    """Until the forks of this zygote have ended: they do when their sockets close."""
    for pid in _zygotes:
        _wait(pid)


def fork(c: Confinement) -> int:
    """Like `os.fork`; in `namespaces` the child is pid 1 of its own pid namespace, with mounts and IPC of its
    own.

    Nobody but `destroy` may wait for the child: watch it by a pidfd, or by the end of its channel.
    """
    pid = kernel.clone_process(_NAMESPACES) if c.mode == "namespaces" else os.fork()
    if pid:
        _nodes.add(pid)
    return pid


def confine(c: Confinement) -> tuple[str, ...]:
    """In the child, before any student code: confine this process for good. Returns what is active, for the
    report.

    Raises OSError or ValueError when something is refused that the mode promises.
    """
    os.umask(0o077)
    os.setsid()
    _expect_to_be_killed_first()
    if c.mode == "plain":
        return _confine_plainly(c)
    if c.mode == "namespaces":
        _mount_own_directory(c)
    _limit(c)
    _require_right_uid(c)
    if c.mode == "uid":
        os.mkdir(c.directory, 0o700)
    if c.uid is not None:
        _become(c)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    _end_with_parent()
    os.chdir(c.directory)
    os.nice(NICE)
    active = ["namespaces"] if c.mode == "namespaces" else []
    active += ["own uid"] if c.uid is not None else []
    active += ["no capabilities", "no_new_privs", "rlimits"]
    active += ["landlock"] if landlock.restrict(c.directory, _readable) else []
    active += ["seccomp"] if seccomp.load(_filter) else []
    return tuple(active)


def destroy(c: Confinement, pid: int) -> int | None:
    """In the zygote: kill everything of a node, reap it, remove its files. Returns its wait status, None if
    unknown.

    Raises OSError when something of it can't be ended; then nothing may be graded here any more.
    """
    if c.mode == "plain":
        status = _destroy_plainly(pid)
        _remove_plainly(c.directory)
    elif c.mode == "uid" and c.uid:
        status = _destroy_by_uid(c.uid, c.directory, pid)
    else:
        # With the first process of a pid namespace the kernel kills all others; its mounts go with the last.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        status = _wait(pid)
    _nodes.discard(pid)
    if not _nodes:
        _reap_strays(kill=c.mode == "plain")
    return status


# ---------------------------------------------------------------- in the child


def _mount_own_directory(c: Confinement) -> None:
    if os.getpid() != 1:
        raise OSError("a node in namespaces must be the first process of its own")
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    uid, gid = (os.getuid(), os.getgid()) if c.uid is None else (c.uid, c.uid)
    kernel.mount(
        "tmpfs",
        c.directory,
        "tmpfs",
        kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
        f"size={c.tmpfs_mib}m,nr_inodes={INODES_MAX},mode=0700,uid={uid},gid={gid}",
    )


def _require_right_uid(c: Confinement) -> None:
    """Who can give a node a user id of its own must do so: no student code runs as root."""
    if c.uid is None and c.mode == "namespaces" and not kernel.capabilities()[0] >> kernel.CAP_SETUID & 1:
        return
    if not c.uid or c.uid in REAPER_UIDS:
        raise ValueError(f"{c.uid} can't be the user id of a node")


def _become(c: Confinement) -> None:
    """Change to the node's user and group, for good."""
    assert c.uid is not None
    os.setgroups([])
    os.setresgid(c.uid, c.uid, c.uid)
    if c.mode == "uid":
        # The directory stays root's and is shared with a group of one: without CAP_CHOWN it can't be given
        # away, and so student code can't lock or move it.
        os.chown(c.directory, -1, c.uid)
        os.chmod(c.directory, 0o770)  # noqa: S103
    os.setresuid(c.uid, c.uid, c.uid)
    if os.getresuid() != (c.uid,) * 3 or os.getresgid() != (c.uid,) * 3 or os.getgroups():
        raise OSError("the user id could not be given up")


def _limit(c: Confinement) -> None:
    processes = _process_limit(c)
    if processes is not None:
        _set_limit(resource.RLIMIT_NPROC, processes)
    # A signal that the first process of a pid namespace has no handler for is ignored, but never the hard
    # limit's.
    _set_limit(resource.RLIMIT_CPU, c.cpu_seconds, c.cpu_seconds + 1)
    _set_limit(resource.RLIMIT_FSIZE, c.file_mib * _MIB)
    _set_limit(resource.RLIMIT_NOFILE, FILES_MAX)
    _set_limit(resource.RLIMIT_CORE, 0)
    if kernel.LINUX:
        _set_limit(resource.RLIMIT_MSGQUEUE, 0)
        _set_limit(resource.RLIMIT_MEMLOCK, 0)
    _set_limit(resource.RLIMIT_AS, c.memory_mib * _MIB)


def _process_limit(c: Confinement) -> int | None:
    if c.uid is not None:
        return c.processes
    if c.mode == "plain" or _kernel_version() < (5, 14):
        return None  # It would count every process of the user on this machine.
    return c.processes + NODES_MAX


def _kernel_version() -> tuple[int, ...]:
    digits = os.uname().release.split("-")[0].split(".")
    return tuple(int(digit) for digit in digits[:2] if digit.isdigit())


def _set_limit(which: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(which)[1]
    wanted = soft if hard is None else hard
    allowed = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(which, (min(soft, allowed), allowed))


def _expect_to_be_killed_first() -> None:
    """When memory runs out, student code goes first; without /proc that is inherited from the zygote."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"1000")


def _end_with_parent() -> None:
    """Ask the kernel to kill this process when the zygote ends."""
    if not kernel.LINUX:
        return
    parent = os.getppid()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _confine_plainly(c: Confinement) -> tuple[str, ...]:
    os.makedirs(c.directory, 0o700)
    os.chdir(c.directory)
    os.nice(NICE)
    _end_with_parent()
    try:
        _limit(c)
    except (OSError, ValueError):
        # macOS has no limit of address space, the last of them; this mode promises only a session of its own.
        return ("rlimits but for memory",)
    return ("rlimits",)


# ---------------------------------------------------------------- in the zygote


def _destroy_by_uid(uid: int, directory: str, pid: int) -> int | None:
    """All that runs under the uid gets SIGKILL in one pass of the kernel; no fork escapes it (since 4.19)."""
    with _child_signals_held():
        for _ in range(_REAP_TURNS_MAX):
            with _as_student(uid), suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            if pid in _nodes and pid not in _statuses:
                # It may have died, or hang, before it changed its uid.
                os.kill(pid, signal.SIGKILL)
            _collect()
            if (pid in _statuses or pid not in _nodes) and not _runs_anything(uid):
                break
            signal.sigtimedwait([signal.SIGCHLD], _REAP_TURN_SECONDS)
        else:
            raise OSError(f"processes of user {uid} can't be ended")
    _remove_as_student(uid, directory)
    return _statuses.pop(pid, None)


def _remove_as_student(uid: int, directory: str) -> None:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return
    except OSError:
        # Only what was handed to the student can hold anything, and only the student may remove that.
        with _as_student(uid):
            leftovers.empty(directory)
        os.rmdir(directory)


def _collect() -> None:
    """Reap what has ended, without waiting; remember how the nodes did."""
    with suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                return
            if ended in _nodes:
                _statuses[ended] = status


def _runs_anything(uid: int) -> bool:
    """Whether any process has this real user id, a dead one that nobody has reaped included."""
    try:
        os.getpriority(os.PRIO_USER, uid)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _as_student(uid: int) -> Iterator[None]:
    """With the student's rights, no others, and the way back.

    Its real and saved ids aren't the student's, so that student code can't signal or trace this process; and
    the real one isn't root's either, so that `kill(-1)` reaches the student's processes alone.
    """
    users, groups = os.getresuid(), os.getresgid()
    os.setresgid(-1, uid, -1)
    os.setresuid(REAPER_UIDS[os.getpid() % len(REAPER_UIDS)], uid, users[1])
    try:
        yield
    finally:
        os.setresuid(*users)
        os.setresgid(*groups)


@contextmanager
def _child_signals_held() -> Iterator[None]:
    """SIGCHLD stays pending, to be waited for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _destroy_plainly(pid: int) -> int | None:
    """The node, its process group, and what descends from it now; a daemon that hid well may be left until
    the end."""
    for victim in (pid, *_descendants(pid)):
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(victim, signal.SIGKILL)
    return _wait(pid)


def _wait(pid: int) -> int | None:
    with suppress(ChildProcessError):
        return os.waitpid(pid, 0)[1]
    return _statuses.pop(pid, None)


def _reap_strays(kill: bool) -> None:
    """Without a node no child but its forks has a right to be: end the orphans that nodes have left."""
    for _ in range(_REAP_TURNS_MAX):
        orphans = [child for child in _children(os.getpid()) if child not in _zygotes] if kill else []
        for orphan in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
        try:
            ended = os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return
        _zygotes.discard(ended)
        if not ended:
            if not orphans:
                return
            select.select([], [], [], _REAP_TURN_SECONDS / 10)


def _descendants(pid: int) -> list[int]:
    found = _children(pid)
    for child in found:  # Grows as it goes.
        found += _children(child)
    return found


def _children(pid: int) -> list[int]:
    """The children of a process, where /proc tells."""
    children: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(child) for child in file.read().split()]
    return children


def _remove_plainly(directory: str) -> None:
    if os.path.islink(directory):
        os.unlink(directory)
    with suppress(FileNotFoundError):
        os.chmod(directory, 0o700)
        leftovers.empty(directory)
        os.rmdir(directory)
