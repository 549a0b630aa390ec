"""The supervisor: jobs in by stdin, numbered events of each out by stdout, and the end when stdin closes.

Each job runs in a fork that ends with it, and its student processes come from forks of the first zygote: neither the
grader nor the submission of a job meets anything of another one. They are all of one person: that is the host's part.

python -m kata.supervisor --spawner uid|namespaces|plain --scratch FOLDER [--work FOLDER] [--record FILE] [--lanes N]
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

import msgspec

from kata import __version__
from kata.protocol import (
    EVENT_BYTES_MAX,
    JOB_BYTES_MAX,
    Broken,
    Event,
    Final,
    Job,
    Loaded,
    Numbered,
    Ready,
)
from kata.report.model import Unexecuted
from kata.student import kernel
from kata.supervisor.container import close_shared_places
from kata.supervisor.interface import signatures
from kata.supervisor.spawner import Spawner
from kata.supervisor.tally import Tally
from kata.supervisor.world import World
from kata.wire import frame, read_frame


class EventStream:
    """Numbers the events, keeps the digest of all of them, and writes them out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._digest = hashlib.sha256()

    def emit(self, event: Event) -> None:
        payload = msgspec.msgpack.encode(Numbered(self._number, event))
        self._number += 1
        self._digest.update(payload)
        self._file.write(frame(payload, EVENT_BYTES_MAX))
        self._file.flush()

    def digest(self) -> str:
        return self._digest.hexdigest()


def main() -> None:
    """Serve jobs, one after the other, until stdin ends."""
    parser = argparse.ArgumentParser(prog="kata.supervisor")
    parser.add_argument("--spawner", choices=("uid", "namespaces", "plain"), required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/work"), help="where student processes have their folders")
    parser.add_argument("--record", type=Path, help="close the container's other places, and keep account here")
    parser.add_argument("--lanes", type=int, default=1, help="how many checks run side by side")
    options = parser.parse_args()
    gc.disable()  # until everything is imported
    # The stream to the host gets a descriptor of its own; what anybody here prints goes to our log.
    host = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if options.spawner == "uid":
        close_shared_places()
    first = Spawner(options.spawner, options.scratch, work=options.work)
    try:
        _serve(first, options, host)
    except (EOFError, BrokenPipeError):
        pass  # the host is gone
    finally:
        first.close()
    sys.stderr.flush()
    os._exit(0)  # to take down all that was imported would take a while, and somebody waits


def _serve(first: Spawner, options: argparse.Namespace, host: BinaryIO) -> None:
    """Each job has a stream of its own, in which `Ready` comes first; jobs end where something of one is left."""
    stream = EventStream(host)
    try:
        from kata.supervisor import runner  # noqa: F401 - pytest and Hypothesis, while the zygote is starting

        gc.freeze()  # what was imported stays: no collection needs to look at it
        gc.enable()
        ready = Ready(version=__version__, python=sys.version.split()[0], protections=first.probe())
        stream.emit(ready)
        while _serve_one(first, options, stream, ready.protections):
            stream = EventStream(host)
            stream.emit(ready)
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        _say_broken(stream, error)


def _serve_one(first: Spawner, options: argparse.Namespace, stream: EventStream, protections: tuple[str, ...]) -> bool:
    """Judge the next job in a fork of this process; whether nothing of it is left, so that another one may follow."""
    job = msgspec.msgpack.decode(read_frame(_read_stdin, JOB_BYTES_MAX), type=Job)
    scratch = Path(tempfile.mkdtemp(prefix="job-", dir=options.scratch))
    spawners: list[Spawner] = []
    if options.record:
        from kata.supervisor import places  # docker's image lacks it: there it has no use
    try:
        for lane in range(options.lanes):
            spawners.append(first.fork(scratch, lane, options.lanes))
        if options.record:
            # Only now is it this run's turn: what another one has closed is not for us to open.
            reachable, secrets = places.needed(options.work.parent), places.secrets()
            places.close(options.record, reachable, secrets, forbidden_anyway="landlock" in protections)
        pid = os.fork()
        if pid == 0:
            _run_job(job, spawners, scratch, stream)
        status = os.waitpid(pid, 0)[1]
    finally:
        closed = [spawner.close() for spawner in spawners]
        if options.record:
            places.restore(options.record)
        shutil.rmtree(scratch)
    return status == 0 and all(closed)


def _run_job(job: Job, spawners: Sequence[Spawner], scratch: Path, stream: EventStream) -> NoReturn:
    """All that the fork does, to its end."""
    status = 1
    try:
        if kernel.LINUX:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        threading.Thread(target=_end_with_the_host, daemon=True).start()
        _judge(job, spawners, scratch, stream)
        status = 0
    except BrokenPipeError:
        pass
    except Exception as error:
        _say_broken(stream, error)
    finally:
        os._exit(status)


def _judge(job: Job, spawners: Sequence[Spawner], scratch: Path, stream: EventStream) -> None:
    from kata.supervisor import runner

    begun = time.monotonic()
    for spawner in spawners:
        spawner.prepare(job.submission, job.file, job.limits, job.uid_base)
    interface = signatures(job.stub)
    world = World(spawners[0], job.limits, job.seed, job.submission, shrink=job.shrink, interface=interface)
    failure = runner.preflight(job, world)
    output = world.output()
    stream.emit(Loaded(failure=failure, output=output, seconds=round(time.monotonic() - begun, 6)))
    finished = 0
    if failure is None:
        for spawner in spawners:
            spawner.compile()
        finished = runner.run_checks(job, world, spawners, scratch, stream.emit, _log)
    world.end()
    stream.emit(
        Final(
            finished=finished,
            digest=stream.digest(),
            dependability=world.tally.dependability(),
            unexecuted=_unexecuted(world.tally) if job.coverage else None,
        )
    )


def _unexecuted(tally: Tally) -> tuple[Unexecuted, ...]:
    return tuple(
        Unexecuted(
            file=file,
            lines=tuple(sorted(set(statements) - tally.executed.get(file, set()))),
            statements=len(statements),
        )
        for file, statements in sorted(tally.statements.items())
    )


def _read_stdin(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _end_with_the_host() -> None:
    """A host that dies leaves nothing running: its end of our stdin closes. What comes there meanwhile is not ours."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # the end of a pipe is told in any case
    poll.poll()
    os._exit(1)


def _say_broken(stream: EventStream, error: Exception) -> None:
    _log_exception()
    stream.emit(Broken(message=f"{type(error).__name__}: {error}"[:2000]))


def _log(text: str) -> None:
    sys.stderr.write(text + "\n")


def _log_exception() -> None:
    _log(traceback.format_exc())


if __name__ == "__main__":
    main()
