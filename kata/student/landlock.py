"""Landlock, a kernel's way to give up files: a node reads the system, and writes its own directory alone.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import sys

from kata.student import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_DEVICES_AND_SOCKETS = 1 << 6 | 1 << 9 | 1 << 11
_RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_VERSION, _NETWORK = 4, 0b11
_SCOPE_VERSION, _SCOPE = 6, 0b11
"""TCP bind and connect; abstract Unix sockets and signals to processes outside."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/nix/store", "/gnu/store")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scope", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def version() -> int:
    """What the kernel has of Landlock: 0 for nothing."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def readable() -> tuple[str, ...]:
    """The directories that a Python program reads: the system's, and those of this interpreter; none inside
    another."""
    wanted = (*_SYSTEM, sys.base_prefix, sys.prefix, *(path for path in sys.path if path))
    chosen: list[str] = []
    for path in sorted({os.path.realpath(path) for path in wanted if os.path.exists(path)}, key=len):
        if path != "/" and not any(path.startswith(f"{other}/") for other in chosen):
            chosen.append(path)
    return tuple(chosen)


def restrict(own: str, readable: tuple[str, ...]) -> bool:
    """Leave this process, and all that it starts, `own` to write and `readable` to read; needs no_new_privs.

    False where the kernel has no Landlock.
    """
    have = version()
    if have < 1:
        return False
    handled = max((v, rights) for v, rights in _RIGHTS_BY_VERSION.items() if v <= have)[1]
    network = _NETWORK if have >= _NETWORK_VERSION else 0
    scope = _SCOPE if have >= _SCOPE_VERSION else 0
    size = 24 if have >= _SCOPE_VERSION else 16 if have >= _NETWORK_VERSION else 8
    ruleset = kernel.syscall(_CREATE_RULESET, _Ruleset(handled, network, scope), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _EXECUTE | _READ_FILE | _READ_DIRECTORY)
        for path in DEVICES:
            _allow(ruleset, path, _READ_FILE | _WRITE_FILE)
        _allow(ruleset, own, handled & ~_MAKE_DEVICES_AND_SOCKETS)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # It isn't there, or not for this process: nothing to allow.
    try:
        if not os.path.isdir(path):
            rights &= _EXECUTE | _READ_FILE | _WRITE_FILE
        kernel.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, _PathBeneath(rights, descriptor), 0)
    finally:
        os.close(descriptor)
