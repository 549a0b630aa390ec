"""The yardstick for a whole run: the same checks on the same reference, as plain pytest in a single process.

    python -m tests.benchmarks.inprocess

Nothing is isolated here: the submission runs in a thread beside its grader, and no process is started. What a run in a
sandbox takes more is the price of fresh, confined processes. The status is 1 unless every check is met.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from kata.catalog import Catalog
from kata.exercise import Limits
from kata.grade import grader_files
from kata.protocol import Event, Finished, Job
from kata.student import clock, host
from kata.submission import read_submission
from kata.supervisor import node, runner
from kata.supervisor.interface import signatures
from kata.supervisor.spawner import Spawned, Spawner, Wish
from kata.supervisor.world import World

SEED = 1
UNBOUNDED = 3_600.0


class ThreadSpawner(Spawner):
    """Gives each student "process" a thread of this one, with a module of its own."""

    def __init__(self, files: dict[str, bytes], entry: str, scratch: Path) -> None:
        self.core = None
        self._folder = scratch / host.FOLDER
        self._folder.mkdir()
        for name, content in files.items():
            (self._folder / name).write_bytes(content)
        self._submission = host.Submission(files, entry, host.compiled(files, entry))
        self._threads: dict[int, tuple[threading.Thread, socket.socket, tuple[int, int]]] = {}
        _give_the_submission_virtual_time()

    def spawn(self, wish: Wish) -> Spawned:
        ours, theirs = socket.socketpair()
        output, output_end = os.pipe()
        dumps, dumps_end = os.pipe()
        for descriptor in (output, dumps):
            os.set_blocking(descriptor, False)
        clock.set_time(wish.monotonic_ns, wish.wall_ns)
        thread = threading.Thread(target=lambda: host.Host(theirs, str(self._folder), self._submission, None).serve())
        self._threads[output] = thread, theirs, (output_end, dumps_end)
        thread.start()
        return Spawned(0, os.getpid(), ours, output, dumps, ())

    def start_ahead(self, wish: Wish) -> None:
        """There is nothing to start."""

    def destroy(self, spawned: Spawned) -> None:
        thread, theirs, ends = self._threads.pop(spawned.output)
        spawned.channel.shutdown(socket.SHUT_RDWR)
        thread.join()
        for channel in (spawned.channel, theirs):
            channel.close()
        for descriptor in (spawned.output, spawned.dumps, *ends):
            os.close(descriptor)


def _give_the_submission_virtual_time() -> None:
    """What it will import as `time` is a copy of that module: all others here go on in real time."""
    virtual = ModuleType("time")
    vars(virtual).update(vars(time))
    virtual.monotonic = clock.monotonic  # type: ignore[attr-defined]
    sys.modules["time"] = virtual
    clock._factory = SimpleNamespace()


def main() -> None:
    exercise = Catalog().find("15-caching")
    submission = read_submission(exercise.solution_folder, exercise.file)
    job = Job(
        exercise=exercise.id,
        file=exercise.file,
        provides=exercise.provides,
        stub=exercise.stub.read_bytes(),
        # A "process" is this whole one: the CPU time of all of them would count for each.
        limits=Limits(call_seconds=UNBOUNDED, check_seconds=UNBOUNDED, run_seconds=UNBOUNDED),
        requirements={requirement.id: requirement.needs for requirement in exercise.requirements},
        seed=SEED,
        coverage=False,
        shrink=True,
        brief=False,
        grader=grader_files(exercise),
        submission=submission.files,
        uid_base=0,
    )
    node._SETTLE_SECONDS = 0.0  # nobody waits until this very process is at rest
    # In a process of its own it would be the student's import that this restrains, here it is everybody's.
    host._OwnFilesAlone.find_spec = lambda *arguments: None  # type: ignore[method-assign]
    events: list[Event] = []
    with tempfile.TemporaryDirectory() as scratch:
        spawner = ThreadSpawner(submission.files, exercise.file, Path(scratch))
        world = World(spawner, job.limits, SEED, submission.files, interface=signatures(job.stub))
        runner.run_checks(job, world, [spawner], Path(scratch), events.append, lambda text: None)
        world.end()
    results = [event.result for event in events if isinstance(event, Finished)]
    unmet = [result.id for result in results if result.outcome != "met"]
    print(f"{len(results)} checks, {len(unmet)} not met {unmet or ''}")
    sys.exit(1 if unmet or not results else 0)


if __name__ == "__main__":
    main()
