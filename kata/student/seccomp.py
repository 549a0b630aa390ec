"""The system calls that student code may not make, as a filter for the kernel.

A denied call fails with EPERM, so that Python raises PermissionError and says where. `clone3` fails with
ENOSYS, since its flags lie in memory that a filter can't read: the C library then uses `clone`, whose flags
it can. Locks of files are not taken, though the call succeeds: two student processes that share nothing but
read-only files could talk by them, and one that locks a file of its own has nobody to lock out. What becomes of
SIGCHLD can be asked and not be changed: the children of a process that ignores it are buried by the kernel, and
what they have cost is told to nobody. Calls of another architecture (32-bit code on a 64-bit machine) end the
process.
"""

from __future__ import annotations

import ctypes
import errno
import signal
import socket
import struct

from kata.student import kernel

DENIED: dict[str, tuple[int | None, int | None]] = {
    # Network. `socketpair` stays, asyncio needs it; without `bind` and `connect` its ends reach nobody else.
    "socket": (41, 198),
    "bind": (49, 200),
    "connect": (42, 203),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # What would outlive a process, or be seen by another one: System V IPC, message queues, unnamed files,
    # watches.
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "cachestat": (451, 451),
    "mincore": (27, 232),
    "preadv2": (327, 286),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # Namespaces, mounts, and ways around the names of files.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # Parts of the kernel with much code and no use here.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "personality": (135, 92),
    "syslog": (103, 116),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "nfsservctl": (180, 42),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    # The machine's own administration; privileged anyway.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}
"""Denied calls: their numbers on x86_64 and on aarch64, None where the architecture never had the call."""

CLONE3 = 435
_CLONE = (56, 220)
_SOCKETPAIR = (53, 199)
_SIGACTION = (13, 134)
_FLOCK = (73, 32)
_FCNTL = (72, 25)
_FCNTL_LOCKS = (6, 7, 37, 38)
"""F_SETLK and F_SETLKW, and the same for open file descriptions. To ask for locks is harmless: there are none."""
_FCNTL_DENIED = (1024, 1026)
"""F_SETLEASE and F_NOTIFY, which tell what others do with a file."""
_CLONE_NEW = 0x7E020000
"""CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}; CLONE_NEWTIME can't be said to `clone`."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
_HIGH = 4
"""From an argument's lower half to its upper one."""
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_PRETEND = _ERRNO
"""Answers 0 without having done anything."""
_SECCOMP_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def program(machine: str) -> bytes:
    """The filter for `machine` in the kernel's format, 8 bytes an instruction; empty for a machine that has
    none."""
    if machine not in _ARCHITECTURES:
        return b""
    column = tuple(_ARCHITECTURES).index(machine)
    allow, deny = [_step(_RETURN, _ALLOW)], [_step(_RETURN, _ERRNO | errno.EPERM)]
    first_argument = _step(_LOAD, _ARGUMENT_0)
    verdicts = {numbers[column]: deny for numbers in DENIED.values()}
    verdicts[CLONE3] = [_step(_RETURN, _ERRNO | errno.ENOSYS)]
    verdicts[_CLONE[column]] = [first_argument, _step(_ANY_BIT, _CLONE_NEW, 0, 1), *deny, *allow]
    verdicts[_SIGACTION[column]] = _but_for_child_signals()
    verdicts[_FLOCK[column]] = [_step(_RETURN, _PRETEND)]
    verdicts[_FCNTL[column]] = _by_command()
    verdicts[_SOCKETPAIR[column]] = [first_argument, _step(_EQUAL, socket.AF_UNIX, 1, 0), *deny, *allow]
    ranges = [(0, allow)]
    for number in sorted(number for number in verdicts if number is not None):
        if ranges[-1][0] == number:
            ranges.pop()
        ranges += [(number, verdicts[number]), (number + 1, allow)]
    ranges.append((_X32, deny))
    return b"".join(
        [
            _step(_LOAD, _ARCHITECTURE),
            _step(_EQUAL, _ARCHITECTURES[machine], 1, 0),
            _step(_RETURN, _KILL),
            _step(_LOAD, _NUMBER),
            *_search(ranges),
        ]
    )


def _but_for_child_signals() -> list[bytes]:
    """What becomes of `rt_sigaction`: of SIGCHLD it may not be given a new action, which is its second argument."""
    return [
        _step(_LOAD, _ARGUMENT_0),
        _step(_EQUAL, signal.SIGCHLD, 0, 4),
        _step(_LOAD, _ARGUMENT_1),
        _step(_EQUAL, 0, 0, 3),
        _step(_LOAD, _ARGUMENT_1 + _HIGH),
        _step(_EQUAL, 0, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ERRNO | errno.EPERM),
    ]


def _by_command() -> list[bytes]:
    """What becomes of `fcntl`, by its second argument."""
    ends = [_step(_RETURN, _ALLOW), _step(_RETURN, _PRETEND), _step(_RETURN, _ERRNO | errno.EPERM)]
    commands = [*((each, 1) for each in _FCNTL_LOCKS), *((each, 2) for each in _FCNTL_DENIED)]
    left = len(commands)
    tests = [_step(_EQUAL, each, left - 1 - at + end) for at, (each, end) in enumerate(commands)]
    return [_step(_LOAD, _ARGUMENT_1), *tests, *ends]


def _search(ranges: list[tuple[int, list[bytes]]]) -> list[bytes]:
    """Instructions that find the range of the loaded number by halves; each is its first number and what
    follows.

    The kernel tries a new filter on every number that there is, for each process: in a row, that costs 0.4
    ms.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [_step(_AT_LEAST, ranges[middle][0], len(below), 0), *below, *above]


def load(code: bytes) -> bool:
    """Put a filter on this process and all that it starts; needs no_new_privs. False where it can't be
    loaded."""
    if not code:
        return False
    buffer = ctypes.create_string_buffer(code, len(code))
    whole = _Program(len(code) // 8, ctypes.addressof(buffer))
    try:
        kernel.prctl(kernel.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, whole)
    except OSError:
        return False
    return True


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps count the instructions that they leave out."""
    return struct.pack("=HBBI", operation, if_true, if_false, value)
