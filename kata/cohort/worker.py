"""What a worker of a cluster does with a job: everything that it needs comes with it, and a report goes back.

Both are bytes, so that Dask has nothing of ours to pickle. `kata.cohort.cluster` is the side that sends them.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kata import __version__ as __version__  # the coordinator asks this module for it
from kata.errors import ContentError, SandboxUnavailable
from kata.exercise import TRIALS, Exercise, files_below, read_exercise
from kata.grade import grade
from kata.protocol import SandboxName
from kata.report.model import Report
from kata.sandbox import choose
from kata.sandbox.process import remove_tree, run_folder
from kata.submission import Submission
from kata.workspace import state_folder

if TYPE_CHECKING:
    from kata.sandbox import Launcher


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise with its grader, as it travels."""

    id: str
    files: dict[str, bytes]
    grader: dict[str, bytes]
    digest: str
    grader_digest: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A job: a submission to be graded once."""

    parcel: Parcel
    name: str
    """The submission's."""
    submission: dict[str, bytes]
    seed: int
    sandbox: SandboxName


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back: a report, or why this worker doesn't grade the job."""

    report: Report | None = None
    refusal: str = ""
    """A sentence about the worker; the job may go to another one."""


def pack(exercise: Exercise) -> Parcel:
    """The exercise with its grader, as they are now."""
    return Parcel(
        id=exercise.id,
        files=files_below(exercise.folder),
        grader=files_below(exercise.grader_folder, skip=TRIALS),
        digest=exercise.digest(),
        grader_digest=exercise.grader_digest(),
    )


def serve(order: bytes) -> bytes:
    """Grade a job (an `Order` in msgpack); an `Answer` in msgpack.

    Whatever this machine lacks is a refusal: the sandbox, room on its disk.
    """
    return msgspec.msgpack.encode(_answer(msgspec.msgpack.decode(order, type=Order)))


def _answer(order: Order) -> Answer:
    try:
        folder = run_folder(Path(tempfile.gettempdir()))
        try:
            exercise = _unpack(order.parcel, folder)
            submission = Submission(order.name, order.submission)
            return Answer(report=grade(exercise, submission, _launcher(order.sandbox), seed=order.seed))
        finally:
            remove_tree(folder)
    except (ContentError, SandboxUnavailable) as error:
        return Answer(refusal=f"{error.message} {error.remedy}".strip())
    except OSError as error:
        return Answer(refusal=f"It has no folder to work in: {error}.")


def _unpack(parcel: Parcel, root: Path) -> Exercise:
    """Lay the exercise out in a folder. Raises ContentError when it is not the one that was sent."""
    for tree, files in (("exercises", parcel.files), ("graders", parcel.grader)):
        for name, content in files.items():
            path = root / tree / parcel.id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    exercise = read_exercise(root / "exercises" / parcel.id, root / "graders", root / "solutions")
    if (exercise.digest(), exercise.grader_digest()) != (parcel.digest, parcel.grader_digest):
        raise ContentError(
            f"Its {parcel.id} or the grader of it is another than the run's.",
            "Install the same kata on it, and give it a disk that keeps names and contents as they are.",
        )
    return exercise


@cache
def _launcher(sandbox: SandboxName) -> Launcher:
    """The sandbox that the run is graded in, and no other. Who comes first on a machine builds the image."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return choose.choose(sandbox, progress=lambda line: None, notice=lambda text: None)


def dask_setup(worker: object) -> None:
    """What Dask calls where this module is preloaded, as in an embedded cluster: leave the terminal to the coordinator.

    A Ctrl-C typed there is the coordinator's, who lets running jobs end; and nobody wants to read a worker's log there.
    """
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
