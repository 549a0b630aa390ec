"""What the engine shares among all users of a container, closed to those that student processes run as."""

from __future__ import annotations

import contextlib
import os

SHARED = ("/proc", "/dev/pts")
"""Names and arguments of all processes, which anybody may read; and terminals, at which any two may meet."""


def close_shared_places() -> None:
    """Leave `SHARED` to root, where this is the first process of a container of its own; elsewhere nothing.

    Landlock does the same for each student process, on kernels and engines that have it.
    """
    if os.getpid() != 1:
        return
    for path in SHARED:
        # A runtime may not have one of them, or not let its mode be changed.
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
