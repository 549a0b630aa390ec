"""What the supervisor tells the zygote, one request at a time, over a socket that also passes descriptors."""

from __future__ import annotations

import errno
import os
import socket

import msgspec

from kata.student.confine import Confinement
from kata.wire import read_frame

JOB_BYTES_MAX = 8 * 1024 * 1024
FAREWELL = b"ended"
"""The last bytes from a zygote whose orders have ended, in no frame: it has ended all that it had."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE}


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag="prepare"):
    """Once a job: the submission's files by relative name, and which of them to import."""

    files: dict[str, bytes]
    entry: str


class Spawn(msgspec.Struct, frozen=True, array_like=True, tag="spawn"):
    """Start a student process. Three descriptors come with it: its channel, its output, its stack dumps."""

    confinement: Confinement
    traced: bool
    """Count which lines are run."""
    monotonic_ns: int
    wall_ns: int
    """What the clocks show while the submission is imported."""
    random_seed: int
    """Of the `random` module: what it draws is the same in every run of one seed."""


class Compile(msgspec.Struct, frozen=True, array_like=True, tag="compile"):
    """The submission has been imported once without harm: compile it here, so that no child needs to."""


class Destroy(msgspec.Struct, frozen=True, array_like=True, tag="destroy"):
    """Kill all that a student process started, and itself; leave nothing of it."""

    pid: int


class Reply(msgspec.Struct, frozen=True, array_like=True, tag="reply"):
    """`pid` as the zygote sees it (after Spawn and Fork); `status` as `os.waitpid` gives it (after Destroy)."""

    pid: int = 0
    status: int | None = None
    failure: str = ""
    full: bool = False
    """It failed for want of something that all student processes share."""


class Fork(msgspec.Struct, frozen=True, array_like=True, tag="fork"):
    """Serve the socket that comes with it, too, in a fork of this zygote: another lane's, or another job's."""


Order = Prepare | Compile | Spawn | Destroy | Fork

_encoder = msgspec.msgpack.Encoder()
_orders = msgspec.msgpack.Decoder(Order)
_replies = msgspec.msgpack.Decoder(Reply)


def is_full(error: Exception) -> bool:
    """Whether something was refused because there is no more of it: room for files, processes, memory."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _FULL)


def send(connection: socket.socket, message: Order | Reply, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message, and with it copies of the descriptors."""
    payload = _encoder.encode(message)
    header = len(payload).to_bytes(4, "big")
    if descriptors:
        socket.send_fds(connection, [header], descriptors)
        connection.sendall(payload)
    else:
        connection.sendall(header + payload)


def receive_order(connection: socket.socket) -> tuple[Order, list[int]]:
    """The next order and the descriptors that came with it; EOFError when the supervisor is gone."""
    header, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    head = header + read_exactly(connection, 4 - len(header)) if header else b""
    if not head:
        raise EOFError
    return _orders.decode(read_exactly(connection, int.from_bytes(head, "big"))), descriptors


def receive_reply(connection: socket.socket) -> Reply:
    """The answer to the order that was sent; EOFError when the zygote is gone."""
    return _replies.decode(read_frame(lambda size: read_exactly(connection, size), JOB_BYTES_MAX))


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Read `size` bytes; EOFError when the stream ends before."""
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
