"""Checks side by side: each lane is a fork of the supervisor, with a spawner and a world of its own.

    supervisor ──number of a check──▶ lane ──calls──▶ student processes
               ◀───────verdict───────

What a lane knows when it is forked is all that it needs: the collected checks, the submission, the job.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import msgspec

from kata.protocol import EVENT_BYTES_MAX
from kata.report.model import CheckResult
from kata.student import kernel
from kata.student.orders import read_exactly
from kata.supervisor.failures import Inconclusive
from kata.supervisor.spawner import Spawner
from kata.supervisor.tally import Tally
from kata.wire import frame, read_frame

_NUMBER_BYTES = 4


class Verdict(msgspec.Struct, frozen=True, tag="verdict"):
    """How a check ended, how much time went to what was stuck in it, and how much all of it took."""

    result: CheckResult
    wasted_seconds: float = 0.0
    cost_seconds: float = 0.0


class _Summary(msgspec.Struct, frozen=True, tag="summary"):
    tally: Tally


Serve = Callable[[Spawner, Iterator[int], Callable[[Verdict], None]], Tally]
"""Runs in a lane: judges the checks of those numbers, tells each verdict, and returns what they add up to."""

_messages = msgspec.msgpack.Decoder(Verdict | _Summary)


class Lanes:
    """One lane for each spawner, from `with` to its end. Inconclusive is raised when one of them dies."""

    def __init__(self, spawners: Sequence[Spawner], serve: Serve) -> None:
        self._pids: list[int] = []
        self.idle: list[socket.socket] = []
        self.busy: dict[socket.socket, int] = {}
        """With the number of the check that each judges."""
        for spawner in spawners:
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                for lane in (ours, *self.idle):
                    lane.close()
                _run(theirs, spawner, serve)
            theirs.close()
            self._pids.append(pid)
            self.idle.append(ours)

    def judge(self, number: int) -> None:
        """Have an idle lane judge the check of that number."""
        lane = self.idle.pop(0)
        self.busy[lane] = number
        lane.sendall(number.to_bytes(_NUMBER_BYTES, "big"))

    def next_verdict(self) -> tuple[int, Verdict]:
        """Wait for the next lane that is done: the check's number, and its verdict."""
        lane = select.select(list(self.busy), [], [])[0][0]
        message = self._read(lane)
        assert isinstance(message, Verdict)
        self.idle.append(lane)
        return self.busy.pop(lane), message

    def tallies(self) -> Iterator[Tally]:
        """End the lanes, which must all be idle: what each one's checks add up to."""
        for lane in self.idle:
            lane.shutdown(socket.SHUT_WR)
        for lane in self.idle:
            message = self._read(lane)
            assert isinstance(message, _Summary)
            yield message.tally

    def _read(self, lane: socket.socket) -> Verdict | _Summary:
        try:
            message: Verdict | _Summary = _messages.decode(
                read_frame(lambda size: read_exactly(lane, size), EVENT_BYTES_MAX)
            )
            return message
        except (EOFError, OSError) as error:
            raise Inconclusive(f"a lane of the grader ended unexpectedly ({type(error).__name__})") from error

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for lane in (*self.idle, *self.busy):
            lane.close()
        for pid in self._pids:
            if error is not None:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _run(supervisor: socket.socket, spawner: Spawner, serve: Serve) -> None:
    """All that a lane does, from its fork to its end."""
    status = 1
    try:
        if kernel.LINUX:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        tally = serve(spawner, _numbers(supervisor), lambda verdict: _send(supervisor, verdict))
        _send(supervisor, _Summary(tally))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _numbers(supervisor: socket.socket) -> Iterator[int]:
    while number := supervisor.recv(_NUMBER_BYTES, socket.MSG_WAITALL):
        yield int.from_bytes(number, "big")


def _send(supervisor: socket.socket, message: Verdict | _Summary) -> None:
    supervisor.sendall(frame(msgspec.msgpack.encode(message), EVENT_BYTES_MAX))
