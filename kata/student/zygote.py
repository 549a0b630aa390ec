"""The process that student processes are forked from: small, warm, and without a trace of a grader.

    supervisor ──order, descriptors──▶ zygote ──fork──▶ child: confine, write files, host.run()
               ◀──────pid────────────

It is started before the job is known, imports what every student process needs, and freezes the clock. A child
gets nothing of it but its three descriptors. `python -m kata.student.zygote FD` where FD is the orders' socket.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import random
import signal
import socket
import sys
from types import CodeType

if __name__ == "__main__":
    gc.disable()  # until all is there: what is imported stays

from kata.student import clock, confine, host, orders, printed, rehearsal
from kata.student.coverage import Tracer

_BYTES_OVERHEAD = 33
_BALLAST_BYTES = 64 * 1024
"""Of each size class of the small-object allocator."""


class Zygote:
    """Carries out the supervisor's orders until its socket closes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.prepared = orders.Prepare(files={}, entry="")
        self.nodes: dict[int, confine.Confinement] = {}
        self.tracer = Tracer()
        self.code: CodeType | None = None

    def serve(self) -> None:
        while True:
            try:
                order, descriptors = orders.receive_order(self.connection)
            except (EOFError, ConnectionError):
                break
            try:
                reply = self.carry_out(order, descriptors)
            except OSError as error:
                reply = orders.Reply(failure=f"{type(error).__name__}: {error}", full=orders.is_full(error))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            try:
                orders.send(self.connection, reply)
            except ConnectionError:
                break
        for pid in list(self.nodes):
            self.destroy(pid)
        confine.wait_for_zygotes()
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(orders.FAREWELL)

    def carry_out(self, order: orders.Order, descriptors: list[int]) -> orders.Reply:
        match order:
            case orders.Prepare():
                self.prepared, self.code = order, None
                self.tracer.expect(f"{host.ORIGIN}/{order.entry}")
                return orders.Reply()
            case orders.Compile():
                self.code = host.compiled(self.prepared.files, self.prepared.entry)
                return orders.Reply()
            case orders.Spawn():
                return orders.Reply(pid=self.spawn(order, descriptors))
            case orders.Destroy():
                return orders.Reply(status=self.destroy(order.pid))
            case orders.Fork():
                return orders.Reply(pid=self.fork(descriptors))

    def spawn(self, order: orders.Spawn, descriptors: list[int]) -> int:
        pid = confine.fork(order.confinement)
        if pid == 0:
            status = 70
            try:
                self.become_student(order, descriptors)
                status = 0
            finally:
                os._exit(status)
        self.nodes[pid] = order.confinement
        return pid

    def fork(self, descriptors: list[int]) -> int:
        """Another zygote, which serves that socket until it closes, and has no student processes yet."""
        pid = confine.fork_zygote()
        if pid == 0:
            status = 70
            try:
                self.connection.close()
                self.connection = socket.socket(fileno=descriptors[0])
                self.nodes.clear()
                self.serve()
                status = 0
            finally:
                os._exit(status)
        return pid

    def destroy(self, pid: int) -> int | None:
        confinement = self.nodes.pop(pid, None)
        return confine.destroy(confinement, pid) if confinement else None

    def become_student(self, order: orders.Spawn, descriptors: list[int]) -> None:
        channel, output, dumps = descriptors
        self.connection.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        sys.stdout, sys.stderr = printed.stream(1), printed.stream(2)
        faulthandler.register(signal.SIGUSR2, file=dumps, all_threads=False)
        clock.set_time(order.monotonic_ns, order.wall_ns)
        random.seed(order.random_seed)
        submission = host.Submission(self.prepared.files, self.prepared.entry, self.code)
        tracer = self.tracer if order.traced else None
        host.run(socket.socket(fileno=channel), order.confinement, submission, tracer)


_ballast: list[bytes] = []


def settle() -> None:
    """Make the heap ready to be forked: a child should copy as few of its pages as can be.

    What exists is never collected in a child, so that its pages stay shared. And the holes that start-up has left are
    filled: a child's new objects lie close together in fresh pages, not one in each of hundreds that would be copied.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    for size in range(16, 513, 16):
        _ballast.extend(bytes(max(0, size - _BYTES_OVERHEAD)) for _ in range(_BALLAST_BYTES // size))


def main() -> None:
    """Serve on the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)
    confine.prepare()
    clock.freeze()
    zygote = Zygote(connection)
    rehearsal.rehearse()
    settle()
    zygote.serve()
    os._exit(0)  # to take down all that was imported would take a while, and somebody waits


if __name__ == "__main__":
    main()
