"""Unpacks what people hand in: zip and tar, by a walk of our own.

Regular files and folders with plain relative names; no links, devices or set-id bits; no name twice. All is counted
while it is read, so that a bomb costs its limit and no more.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from kata.errors import UsageError
from kata.submission import ENTRIES_MAX, FILE_BYTES_MAX, TOTAL_BYTES_MAX, check_name

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_OVERHEAD_BYTES = 64 * 1024
"""What headers may take for each entry of a tar."""
_PACKED_BYTES_MAX = 32 * 1024 * 1024
"""Of one submission's archive as it comes: what stands in a zip's directory is read before anything can be counted."""
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
             tarfile.GNUTYPE_LONGLINK)  # fmt: skip
_EXTENDED_BYTES_MAX = 8 * 1024
_EXTENDED_BYTES_EACH = 2 * 1024
"""Of headers that say more of a tar's entry: of one, and of all together on average."""
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError,
           NotImplementedError, RuntimeError, MemoryError)  # fmt: skip
_REPACK = "Pack the files again, and nothing but them."


class Limits(NamedTuple):
    """How much an archive may hold."""

    entries: int
    file_bytes: int
    total_bytes: int
    packed_bytes: int | None = None
    """Of the archive itself; None: whatever it has."""


ONE_SUBMISSION = Limits(ENTRIES_MAX, FILE_BYTES_MAX, TOTAL_BYTES_MAX, _PACKED_BYTES_MAX)
WHOLE_COHORT = Limits(200_000, 64 * FILE_BYTES_MAX, 4096 * FILE_BYTES_MAX)


def stem(name: str) -> str | None:
    """The name of an archive without its ending; None when it isn't named like one."""
    ending = next((each for each in ENDINGS if name.lower().endswith(each)), None)
    return name[: -len(ending)] if ending else None


class _TooMuch(UsageError):
    """The archive as a whole is over its limits: it is a bomb, or holds what nobody asked for."""


def unpack(
    archive: Path, folder: Path, limits: Limits, refused: Callable[[str, UsageError], None] | None = None
) -> None:
    """Write the archive's files below `folder`, which is made. Raises UsageError that says why it can't be.

    Hidden files, and what macOS puts beside files, are left out. `refused` is told of each file that breaks a rule,
    and the rest is unpacked; without it the first such file is the end.
    """
    status = archive.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{archive.name} is not a regular file.", _REPACK)
    if limits.packed_bytes is not None and status.st_size > limits.packed_bytes:
        raise UsageError(f"{archive.name} is larger than {limits.packed_bytes >> 20} MiB.", _REPACK)
    folder.mkdir(mode=0o700, parents=True)
    counted = _Counted(limits)
    try:
        with ExitStack() as stack:
            for name, read in _entries(archive, limits, stack):
                if _is_hidden(name):
                    continue
                try:
                    _write(folder / name, counted.taken(name, read))
                except UsageError as error:
                    if refused is None or isinstance(error, _TooMuch):
                        raise
                    refused(name, error)
    except UsageError:
        raise
    except _BROKEN as error:
        raise UsageError(f"{archive.name} can't be unpacked: {_reason(error)}.", _REPACK) from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path.name!r} is both a file and a folder.", _REPACK) from None


class _Counted:
    """How much was taken from an archive so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = self._bytes = 0
        self._folded: set[str] = set()

    def taken(self, name: str, read: Callable[[int], bytes]) -> bytes:
        """The content of one more file. Raises UsageError when it, or all of them together, break a rule."""
        self._entries += 1
        if self._entries > self._limits.entries:
            raise _TooMuch(f"It holds more than {self._limits.entries:,} files.", _REPACK)
        check_name(name)
        if name.casefold() in self._folded:
            raise UsageError(f"It holds {name!r} twice, or two names that differ only by case.", _REPACK)
        self._folded.add(name.casefold())
        most = min(self._limits.file_bytes, self._limits.total_bytes - self._bytes)
        content = read(most + 1)
        if len(content) > most:
            if most < self._limits.file_bytes:
                raise _TooMuch(f"It unpacks to more than {self._limits.total_bytes >> 20} MiB.", _REPACK)
            raise UsageError(f"{name!r} is larger than {self._limits.file_bytes >> 20} MiB.", _REPACK)
        self._bytes += len(content)
        return content


Entry = tuple[str, Callable[[int], bytes]]


def _entries(archive: Path, limits: Limits, stack: ExitStack) -> Iterator[Entry]:
    """The name of each regular file, and what reads its first so many bytes."""
    if archive.name.lower().endswith(".zip"):
        yield from _of_zip(stack.enter_context(zipfile.ZipFile(archive)))
        return
    raw = stack.enter_context(_decompressed(archive))
    bounded = _Bounded(raw, limits.total_bytes + min(limits.entries, ENTRIES_MAX * 100) * _OVERHEAD_BYTES)
    info = _careful_info(limits.entries * _EXTENDED_BYTES_EACH)
    yield from _of_tar(stack.enter_context(tarfile.open(fileobj=cast(Any, bounded), mode="r|", tarinfo=info)))  # noqa: SIM115


def _decompressed(archive: Path) -> IO[bytes]:
    match archive.suffix.lower():
        case ".gz" | ".tgz":
            return cast(IO[bytes], gzip.open(archive, "rb"))
        case ".bz2":
            return cast(IO[bytes], bz2.open(archive, "rb"))
        case ".xz":
            return cast(IO[bytes], lzma.open(archive, "rb"))
        case _:
            return archive.open("rb")


def _of_zip(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        if info.is_dir():
            continue

        def read(size: int, info: zipfile.ZipInfo = info) -> bytes:
            mode = info.external_attr >> 16
            _refuse_special(info.filename, stat.S_IFMT(mode) in (0, stat.S_IFREG), mode)
            if info.flag_bits & 1:
                raise UsageError(f"{info.filename!r} is encrypted.", "Pack the files without a password.")
            with archive.open(info) as file:
                return file.read(size)

        yield info.filename, read


def _of_tar(archive: tarfile.TarFile) -> Iterator[Entry]:
    for info in archive:
        if info.isdir():
            continue

        def read(size: int, info: tarfile.TarInfo = info) -> bytes:
            _refuse_special(info.name, info.isreg(), info.mode)
            file = archive.extractfile(info)
            assert file is not None
            return file.read(size)

        yield info.name.removeprefix("./"), read


def _careful_info(left: int) -> type[tarfile.TarInfo]:
    """How `tarfile` reads the header of an entry, but for long ones, and all that are more than `left` bytes together.

    Some of its versions take time like the square of their length (CVE-2024-6232: hours for a megabyte), and go in
    circles where a size is negative (CVE-2025-8194).
    """

    class Info(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Info:
            nonlocal left
            info = super().frombuf(buf, encoding, errors)
            if info.type in _EXTENDED:
                left -= info.size
            if info.size < 0 or left < 0 or (info.type in _EXTENDED and info.size > _EXTENDED_BYTES_MAX):
                raise tarfile.ReadError("the header of an entry is too long, or broken")
            return info

    return Info


def _refuse_special(name: str, regular: bool, mode: int) -> None:
    if not regular or mode & (stat.S_ISUID | stat.S_ISGID):
        raise UsageError(f"{name!r} is not a regular file.", _REPACK)


class _Bounded:
    """A stream that ends in an error once more was read than the archive may hold."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self._left = left

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuch("It unpacks to more than it may hold.", _REPACK)
        return data


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in name.split("/"))


def _reason(error: Exception) -> str:
    return (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)).strip(". ").lower()
