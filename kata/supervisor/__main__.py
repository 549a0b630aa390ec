"""The supervisor: one job in by stdin, numbered events out by stdout, and the end when stdin closes.

python -m kata.supervisor --spawner uid|namespaces|plain --scratch FOLDER [--work FOLDER] [--record FILE] [--lanes N]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO

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
from kata.supervisor.container import close_shared_places
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
    """Serve one job."""
    parser = argparse.ArgumentParser(prog="kata.supervisor")
    parser.add_argument("--spawner", choices=("uid", "namespaces", "plain"), required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/work"), help="where student processes have their folders")
    parser.add_argument("--record", type=Path, help="close the container's other places, and keep account here")
    parser.add_argument("--lanes", type=int, default=1, help="how many checks run side by side")
    options = parser.parse_args()
    gc.disable()  # until everything is imported
    # The stream to the host gets a descriptor of its own; what anybody here prints goes to our log.
    stream = EventStream(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if options.spawner == "uid":
        close_shared_places()
    spawners = [
        Spawner(options.spawner, options.scratch, lane, options.lanes, work=options.work)
        for lane in range(options.lanes)
    ]
    with contextlib.ExitStack() as at_end:
        try:
            _serve(spawners, options, stream, at_end)
        except EOFError:
            pass
        except Exception as error:
            _log_exception()
            stream.emit(Broken(message=f"{type(error).__name__}: {error}"[:2000]))
        finally:
            for spawner in spawners:
                spawner.close()


def _serve(
    spawners: list[Spawner], options: argparse.Namespace, stream: EventStream, at_end: contextlib.ExitStack
) -> None:
    from kata.supervisor import runner  # imports pytest and Hypothesis while the zygotes are starting

    gc.freeze()  # what was imported stays: no collection needs to look at it
    gc.enable()
    protections = spawners[0].probe()
    stream.emit(Ready(version=__version__, python=sys.version.split()[0], protections=protections))
    payload = read_frame(_read_stdin, JOB_BYTES_MAX)
    job = msgspec.msgpack.decode(payload, type=Job)
    if options.record:
        from kata.supervisor import places

        # Only now is it this run's turn: what another one has closed is not for us to open.
        at_end.callback(places.restore, options.record)
        reachable, secrets = places.needed(options.work.parent), places.secrets()
        places.close(options.record, reachable, secrets, forbidden_anyway="landlock" in protections)
    threading.Thread(target=_end_with_the_host, args=(at_end,), daemon=True).start()
    begun = time.monotonic()
    for spawner in spawners:
        spawner.prepare(job.submission, job.file, job.limits, job.uid_base)
    world = World(spawners[0], job.limits, job.seed, job.submission)
    failure = runner.preflight(job, world)
    output = world.output()
    stream.emit(Loaded(failure=failure, output=output, seconds=round(time.monotonic() - begun, 6)))
    finished = 0
    if failure is None:
        for spawner in spawners:
            spawner.compile()
        finished = runner.run_checks(job, world, spawners, options.scratch, stream.emit, _log)
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


def _end_with_the_host(at_end: contextlib.ExitStack) -> None:
    """A host that dies leaves nothing running, and nothing closed: its end of our stdin closes."""
    sys.stdin.buffer.read(1)
    at_end.close()
    os._exit(1)


def _log(text: str) -> None:
    sys.stderr.write(text + "\n")


def _log_exception() -> None:
    _log(traceback.format_exc())


if __name__ == "__main__":
    main()
