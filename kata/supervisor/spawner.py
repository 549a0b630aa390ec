"""Where student processes come from: one zygote, and for each process a fork that confines itself.

The three ways to confine (`Confinement.mode`): `uid` in a container, `namespaces` in bubblewrap, `plain` in neither.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from kata.exercise import Limits
from kata.protocol import FIXED_HASHES, UIDS_FROM
from kata.student import orders
from kata.student.confine import REAPER_UIDS, Confinement
from kata.supervisor.failures import Inconclusive, NoRoom
from kata.wire import Hello, WireError, read_frame

Mode = Literal["uid", "namespaces", "plain"]

UIDS = 64
"""User ids that a run may use, counted from the job's `uid_base`."""

_PROBES_FROM = 0x30000000
"""User ids below those of jobs. Before a job is known there is only the probe, which runs no student code; where
several supervisors see each other's processes, each needs its own, or it would end another one's with its own."""

_FIRST_UID = 1_000

_HELLO_SECONDS = 60.0
_END_SECONDS = 5.0
_hellos = msgspec.msgpack.Decoder(Hello)


class Spawned(msgspec.Struct, frozen=True):
    """A student process that has confined itself and waits for its first turn."""

    pid: int
    """As the zygote sees it."""
    visible_pid: int
    """As this process sees it, for signals and for its CPU clock."""
    channel: socket.socket
    output: int
    dumps: int
    protections: tuple[str, ...]
    uid: int | None = None
    """Which user's processes are its own; None where that does not tell them from others."""


class Wish(msgspec.Struct, frozen=True):
    """What a student process must be like: whether its lines are counted, what its clocks show at first, its chance."""

    traced: bool
    monotonic_ns: int
    wall_ns: int
    random_seed: int


class _Zygote(NamedTuple):
    """The way to a zygote, and its process where that is a child of this one's and not a fork of another zygote."""

    connection: socket.socket
    process: subprocess.Popen[bytes] | None = None

    def close(self) -> bool:
        """Let it end, with every student process that it has; whether it did."""
        ended = self._says_goodbye()
        self.connection.close()
        if self.process is not None:
            if not ended:
                self.process.kill()
            self.process.wait()
        return ended

    def _says_goodbye(self) -> bool:
        """Wait until its end of the connection closes; whether it said that by then it had ended all that it had."""
        last = b""
        self.connection.settimeout(_END_SECONDS)
        try:
            self.connection.shutdown(socket.SHUT_WR)
            while received := self.connection.recv(1 << 16):
                last = (last + received)[-len(orders.FAREWELL) :]
        except OSError:
            return False
        return last == orders.FAREWELL


class _Requested(msgspec.Struct):
    """A student process that was ordered, and may still be coming up."""

    wish: Wish
    channel: socket.socket
    output: int
    dumps: int
    uid: int | None = None
    ends: bool = False
    """Its end was ordered."""
    reply: orders.Reply | None = None


class Spawner:
    """Starts, kills and cleans up student processes.

    Where they have their folders: in `uid` in `work`, which all may pass and only root may write; in `namespaces` on
    `work`; in `plain` in `scratch`, a private folder.
    The zygote works while the supervisor does: one process is always started ahead, and nobody waits for an end.
    Only the first one of a sandbox starts a zygote; those of jobs and lanes have forks of it, by `fork`.
    """

    def __init__(
        self,
        mode: Mode,
        scratch: Path,
        *,
        work: Path = Path("/work"),
        zygote: _Zygote | None = None,
        slots: range = range(UIDS),
    ) -> None:
        self.mode = mode
        self._work = work
        self._scratch = scratch
        self._slots = slots
        self._zygote = zygote or self._start()
        self._connection = self._zygote.connection
        self._limits = Limits()
        self._uid_base = uid_base_of_probe()
        self.core: int | None = None
        """The one on which processes stay whose CPU time is compared."""
        self._count = 0
        self._taken: set[int | None] = set()
        """User ids of living processes, where each has one of its own."""
        self._spare: _Requested | None = None
        self._broken = ""
        self._owed: deque[_Requested | None] = deque()
        """For each order that has not been answered yet, who waits for the answer."""

    def fork(self, scratch: Path, lane: int, lanes: int) -> Spawner:
        """Another spawner, for a `lane` of how many `lanes` of a job, which share the job's user ids.

        Its zygote is a fork of this one's, which must have no processes. Inconclusive when that can't be made.
        """
        ours, theirs = socket.socketpair()
        self._send(orders.Fork(), descriptors=(theirs.fileno(),))
        theirs.close()
        while self._owed:
            self._receive()
        if self._broken:
            raise Inconclusive(f"no further zygote could be started: {self._broken}")
        slots = range(UIDS // lanes * lane, UIDS // lanes * (lane + 1))
        return Spawner(self.mode, scratch / f"lane-{lane}", work=self._work, zygote=_Zygote(ours), slots=slots)

    def _start(self) -> _Zygote:
        ours, theirs = socket.socketpair()
        command, environment = self._command(theirs.fileno())
        process = subprocess.Popen(
            command,
            env=environment | FIXED_HASHES,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            cwd="/",
        )
        theirs.close()
        return _Zygote(ours, process)

    def _command(self, descriptor: int) -> tuple[list[str], dict[str, str]]:
        arguments = ["-s", "-P", "-X", "utf8", "-m", "kata.student.zygote", str(descriptor)]
        if self.mode == "namespaces":
            from kata.supervisor.bubblewrap import zygote_command

            return zygote_command(arguments)
        environment = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        return [sys.executable, *arguments], environment

    def probe(self) -> tuple[str, ...]:
        """What confines a student process here. Starts one and ends it, so it also tells that all this works."""
        spawned = self.spawn(Wish(False, 0, 0, 0))
        self.destroy(spawned)
        return spawned.protections

    def prepare(self, files: dict[str, bytes], entry: str, limits: Limits, uid_base: int) -> None:
        """Once a job: whom the processes will run, and within what."""
        self._limits, self._uid_base = limits, _usable(uid_base)
        self.core = _core(uid_base // UIDS + self._slots.start // len(self._slots))
        if self._spare is not None:
            self._discard(self._spare)
            self._spare = None
        self._send(orders.Prepare(files, entry))

    def compile(self) -> None:
        """From now on no process compiles the submission: one has imported it, so that is known to do no harm."""
        self._send(orders.Compile())

    def spawn(self, wish: Wish) -> Spawned:
        """A new student process. Inconclusive when it can't be confined: nobody is graded unconfined."""
        ahead, self._spare = self._spare, None
        if ahead is not None and ahead.wish == wish:
            # It was started beside a process that may have taken all the room, and be gone by now.
            with contextlib.suppress(NoRoom):
                return self._started(ahead)
        elif ahead is not None:
            self._discard(ahead)
        return self._started(self._request(wish))

    def _started(self, requested: _Requested) -> Spawned:
        """The process that was ordered, once it has confined itself."""
        pid = self._reply_to(requested).pid
        try:
            hello, visible = self._hello(requested.channel, pid)
        except Inconclusive:
            self.destroy(Spawned(pid, 0, requested.channel, requested.output, requested.dumps, (), requested.uid))
            raise
        return Spawned(
            pid,
            visible,
            requested.channel,
            requested.output,
            requested.dumps,
            tuple(hello.protections),
            requested.uid,
        )

    def start_ahead(self, wish: Wish) -> None:
        """Have the next process started while the present one is at work; it is used if it turns out to be the one."""
        if self._spare is None:
            self._spare = self._request(wish)

    def _discard(self, requested: _Requested) -> None:
        try:
            pid = self._reply_to(requested).pid
        except NoRoom:
            return
        spawned = Spawned(pid, 0, requested.channel, requested.output, requested.dumps, (), requested.uid)
        self.destroy(spawned)

    def destroy(self, spawned: Spawned) -> None:
        """Have the process killed with all that it started, and its files removed; goes on at once."""
        self._order_end(spawned)

    def destroy_and_wait(self, spawned: Spawned) -> int | None:
        """The same, and its wait status once it is done, where one is known."""
        return self._reply_to(self._order_end(spawned)).status

    def _order_end(self, spawned: Spawned) -> _Requested:
        """Its channel closes afterwards: at that it would end by itself, and nobody would know its children."""
        waiting = _Requested(Wish(False, 0, 0, 0), spawned.channel, spawned.output, spawned.dumps, ends=True)
        self._send(orders.Destroy(spawned.pid), waiting)
        self._taken.discard(spawned.uid)
        return waiting

    def close(self) -> bool:
        """End the zygote, and with it every student process; whether that was possible."""
        ended = self._zygote.close()
        for waiting in self._owed:
            if waiting is not None and waiting.ends:
                self._disconnect(waiting)
        self._owed.clear()
        return ended

    @staticmethod
    def _disconnect(spawned: _Requested) -> None:
        spawned.channel.close()
        os.close(spawned.output)
        os.close(spawned.dumps)

    def _request(self, wish: Wish) -> _Requested:
        """Order a process without waiting for it."""
        if self._broken:
            # Something of an earlier process may still be there: nothing may be graded beside it.
            raise Inconclusive(f"a student process could not be ended: {self._broken}")
        channel, theirs = socket.socketpair()
        output, output_end = os.pipe()
        dumps, dumps_end = os.pipe()
        if hasattr(socket, "SO_PASSCRED"):
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        for descriptor in (output, dumps):
            os.set_blocking(descriptor, False)
        try:
            descriptors = (theirs.fileno(), output_end, dumps_end)
            confinement = self._confinement()
            order = orders.Spawn(confinement, **msgspec.structs.asdict(wish))
            uid = confinement.uid if self.mode == "uid" else None
            self._taken.add(uid)
            requested = _Requested(wish, channel, output, dumps, uid)
            self._send(order, requested, descriptors)
            return requested
        finally:
            theirs.close()
            os.close(output_end)
            os.close(dumps_end)

    def _next_slot(self) -> int:
        """One that no living process has. It is used again only after all others were: what a kill might have missed
        is long gone."""
        for _ in self._slots:
            self._count += 1
            slot = self._slots[self._count % len(self._slots)]
            if self._uid_base + slot not in self._taken:
                return slot
        raise Inconclusive(f"the check has more than {len(self._slots)} student processes at a time")

    def _confinement(self) -> Confinement:
        slot = self._next_slot()
        own = {"uid": self._work / str(slot), "plain": self._scratch / f"node-{self._count}"}
        return Confinement(
            mode=self.mode,
            directory=str(own.get(self.mode, self._work)),
            uid=self._uid_base + slot
            if self.mode == "uid" or (self.mode == "namespaces" and os.geteuid() == 0)
            else None,
            memory_mib=self._limits.memory_mib,
            processes=self._limits.processes,
            cpu_seconds=int(self._limits.check_seconds) + 1,
            file_mib=8,
            tmpfs_mib=32,
        )

    def _send(self, order: orders.Order, waiting: _Requested | None = None, descriptors: tuple[int, ...] = ()) -> None:
        try:
            orders.send(self._connection, order, descriptors)
        except OSError as error:
            raise Inconclusive(f"the zygote ended unexpectedly ({type(error).__name__})") from error
        self._owed.append(waiting)

    def _reply_to(self, waiting: _Requested) -> orders.Reply:
        while waiting.reply is None:
            self._receive()
        if waiting.reply.full and not waiting.ends:
            self._disconnect(waiting)
            self._taken.discard(waiting.uid)
            raise NoRoom(f"no student process can be started: {waiting.reply.failure}")
        if waiting.reply.failure:
            raise Inconclusive(f"a student process could not be started or ended: {waiting.reply.failure}")
        return waiting.reply

    def _receive(self) -> None:
        """Take in the next answer; they come in the order of the orders."""
        try:
            reply = orders.receive_reply(self._connection)
        except (EOFError, OSError) as error:
            raise Inconclusive(f"the zygote ended unexpectedly ({type(error).__name__})") from error
        waiting = self._owed.popleft()
        if waiting is not None:
            waiting.reply = reply
            if waiting.ends:
                self._disconnect(waiting)
        if reply.failure and (waiting is None or waiting.ends):
            self._broken = reply.failure

    def _hello(self, channel: socket.socket, pid: int) -> tuple[Hello, int]:
        """The first frame, written before any student code ran; the kernel says which process wrote it."""
        channel.settimeout(_HELLO_SECONDS)
        visible = pid

        def read_exactly(size: int) -> bytes:
            nonlocal visible
            data = b""
            while len(data) < size:
                part, ancillary, _, _ = channel.recvmsg(size - len(data), socket.CMSG_SPACE(12))
                if not part:
                    raise EOFError
                for level, kind, content in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, getattr(socket, "SCM_CREDENTIALS", None)):
                        visible = struct.unpack("3i", content[:12])[0]
                data += part
            return data

        try:
            hello = _hellos.decode(read_frame(read_exactly))
        except EOFError:
            raise NoRoom("a student process ended before it had started") from None
        except (OSError, WireError, msgspec.MsgspecError) as error:
            raise Inconclusive(f"a student process did not start ({type(error).__name__})") from error
        if hello.full:
            raise NoRoom(f"no student process can be started: {hello.failure}")
        if hello.failure:
            raise Inconclusive(f"a student process could not be confined: {hello.failure}")
        channel.setblocking(True)
        if hasattr(socket, "SO_PASSCRED"):
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        return hello, visible


def uid_base_of_probe() -> int:
    """First of the user ids for a probe by this process, which no job and no other process's probe uses."""
    return _usable(_PROBES_FROM + UIDS * os.getpid())


def _core(number: int) -> int | None:
    """One of those that this process may use: jobs and lanes spread over all of them. None where none can be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[number % len(cores)]


def _usable(uid_base: int) -> int:
    """The same base, or where a user namespace maps fewer ids (rootless docker maps 65,536), one among those it has."""
    try:
        mapped = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    except (OSError, ValueError, IndexError):
        return uid_base
    if uid_base + UIDS < mapped:
        return uid_base
    # The lower half is for jobs, the upper one for probes, all of it below those whom a zygote pretends to be.
    half = (min(mapped, REAPER_UIDS.start) - _FIRST_UID) // 2
    return _FIRST_UID + uid_base % max(1, half - UIDS) + (half if uid_base < UIDS_FROM else 0)
