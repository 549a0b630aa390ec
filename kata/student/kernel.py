"""The few calls of the Linux kernel that Python does not offer, by ctypes. Each raises OSError when it is
refused."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress

LINUX = sys.platform == "linux"
MACHINE = platform.machine().lower()

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_PR_GET_TID_ADDRESS = 40
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_SIGCHLD = 17

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_M_ARENA_MAX = -8
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE = {"x86_64": 56, "aarch64": 220}

# PyDLL keeps the interpreter's lock, so that nothing else of this process runs in the middle of a `clone`.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
if LINUX:
    # Found now, in the zygote, rather than in every child.
    for _name in ("prctl", "mount", "capset", "capget"):
        getattr(_libc, _name)


def prctl(option: int, *arguments: int | ctypes.Array[ctypes.c_char] | ctypes.Structure) -> int:
    """`prctl(2)`: an integer or a structure for each argument; its result."""
    given = [ctypes.c_ulong(a) if isinstance(a, int) else ctypes.byref(a) for a in arguments]
    padding = [ctypes.c_ulong(0)] * (4 - len(given))
    return _checked(_libc.prctl(ctypes.c_int(option), *given, *padding))


def syscall(number: int, *arguments: int | ctypes.Structure | None) -> int:
    """Any system call: an integer, a structure that is passed by address, or None for each argument; its
    result."""
    given = [
        ctypes.c_ulong(a) if isinstance(a, int) else ctypes.c_void_p(None) if a is None else ctypes.byref(a)
        for a in arguments
    ]
    return _checked(_libc.syscall(ctypes.c_long(number), *given))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """`mount(2)`."""
    words = [ctypes.c_char_p(os.fsencode(word)) for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), ctypes.c_char_p(options.encode())))


def clone_process(namespaces: int) -> int:
    """Like `os.fork`, with the child in new namespaces (CLONE_NEW*): 0 in the child, its pid in the parent.

    One call makes child and namespaces. The ways with `unshare` and `os.fork` need a second fork, which costs
    as much again, or the privilege to come back into the old pid namespace, which bubblewrap's
    --disable-userns takes away. The interpreter is told what `os.fork` would tell it; the C library's own
    record of the thread's id is set by the kernel. Only for processes with a single thread. Linux 3.8 or
    later, and CAP_SYS_ADMIN in the user namespace.
    """
    number = _CLONE.get(MACHINE)
    if not LINUX or number is None:
        raise OSError(f"new namespaces are not supported on {sys.platform} {MACHINE}")
    flags, thread_id = namespaces | _SIGCHLD, _thread_id_address()
    if thread_id.value:
        flags |= _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    null = ctypes.c_void_p(None)
    ends = (thread_id, null) if MACHINE == "x86_64" else (null, thread_id)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid: int = _libc.syscall(ctypes.c_long(number), ctypes.c_ulong(flags), null, null, *ends)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, f"new namespaces: {os.strerror(error)}")
    return pid


def empty_bounding_set() -> None:
    """Let no program that this process or a child starts bring a capability back.

    Only who has CAP_SETPCAP can; elsewhere nothing happens, and no_new_privs does the same.
    """
    with suppress(OSError):
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Give up every capability of this process, the ambient ones included. OSError when one is left."""
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _checked(_libc.capset(_capability_header(), (ctypes.c_uint32 * 6)()))
    if any(capabilities()):
        raise OSError("capabilities are left")


def capabilities() -> tuple[int, ...]:
    """The effective, permitted and inheritable sets of this process, as bits."""
    sets = (ctypes.c_uint32 * 6)()
    _checked(_libc.capget(_capability_header(), sets))
    return tuple(sets[i] | sets[i + 3] << 32 for i in range(3))


def limit_malloc_arenas(count: int) -> None:
    """Let glibc reserve no 64 MiB of address space for every thread: RLIMIT_AS counts it. Elsewhere
    nothing."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, count)


def _capability_header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)


def _thread_id_address() -> ctypes.c_void_p:
    """Where the C library keeps the thread's id; null in kernels that don't tell."""
    address = ctypes.c_void_p(None)
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(_PR_GET_TID_ADDRESS), ctypes.byref(address), zero, zero, zero) != 0:
        return ctypes.c_void_p(None)
    return address


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
