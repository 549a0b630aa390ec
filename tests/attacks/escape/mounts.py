"""Tries: to mount, unmount, remount for writing, change its root, and open files by handle.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /it stays where it is/
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("here")
TRIES = {
    "tmpfs": lambda: libc.mount(b"none", b"here", b"tmpfs", 0, None),
    "bind": lambda: libc.mount(b"/", b"here", None, 4096, None),
    "remount": lambda: libc.mount(None, b"/", None, 32 | 4096, None),
    "proc": lambda: libc.mount(b"proc", b"here", b"proc", 0, None),
    "overlay": lambda: libc.mount(b"o", b"here", b"overlay", 0, b"lowerdir=/,upperdir=.,workdir=here"),
    "umount": lambda: libc.umount2(b"/work", 2),
    "pivot": lambda: libc.syscall(155, b".", b"here"),
    "chroot": lambda: libc.chroot(b"here"),
    "open_tree": lambda: libc.syscall(428, -100, b"/", 1),
    "fsopen": lambda: libc.syscall(430, b"tmpfs", 0),
    "handle": lambda: libc.syscall(304, 3, b"\0" * 32, 0),
}
for name, attempt in TRIES.items():
    if attempt() >= 0:
        print("BREACH", name)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("it stays where it is")
