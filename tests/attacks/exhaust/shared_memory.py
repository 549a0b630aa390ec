"""Tries: to take memory that outlives its processes: System V, POSIX, anonymous files.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /none was given/
"""

import ctypes
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
for key in range(20):
    for name, arguments in (
        ("shmget", (key, 1 << 20, 0o1666)),
        ("semget", (key, 8, 0o1666)),
        ("msgget", (key, 0o1666)),
    ):
        if getattr(libc, name)(*arguments) >= 0:
            print("BREACH", name)
for place in ("/dev/shm", "/dev/mqueue", "/dev/hugepages", "/run/shm"):
    try:
        with open(f"{place}/left", "wb") as file:
            file.write(bytes(1 << 20))
        print("BREACH", place)
    except OSError:
        pass
for make in (
    lambda: os.memfd_create("left"),
    lambda: libc.shm_open(b"/left", 0o102, 0o666),
    lambda: libc.mq_open(b"/left", 0o102, 0o666, 0),
):
    try:
        if make() >= 0:
            print("BREACH", make)
    except OSError:
        pass


class Counter:
    def add(self, amount):
        raise MemoryError("none was given")
