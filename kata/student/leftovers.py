"""Empties a directory that student code has filled, whatever it made there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def empty(directory: str) -> None:
    """Remove everything in `directory`, which stays. None of its processes may run any more.

    Directories of mode 0000 and any depth cost neither descriptors nor recursion: what lies inside a
    directory is moved to the top before the directory is removed, so there is never a second level to go down
    to. No link is followed.
    """
    prefix, moved = os.urandom(8).hex(), 0
    with _opened(directory) as top:
        while names := os.listdir(top):
            for name in names:
                if not _is_directory(name, top):
                    os.unlink(name, dir_fd=top)
                    continue
                with _opened(name, top) as inner:
                    for child in os.listdir(inner):
                        if not _is_directory(child, inner):
                            os.unlink(child, dir_fd=inner)
                            continue
                        moved += 1
                        # A directory that may not be written can't be moved: its `..` changes.
                        os.chmod(child, 0o700, dir_fd=inner)
                        os.rename(child, f"{prefix}-{moved}", src_dir_fd=inner, dst_dir_fd=top)
                os.rmdir(name, dir_fd=top)


@contextmanager
def _opened(name: str, parent: int | None = None) -> Iterator[int]:
    if parent is not None:
        os.chmod(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
