"""The two halves of a job: can the submission be loaded at all, and then the checks."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis.internal.conjecture import providers

import kata.grading  # noqa: F401 - imported here, so that it is warm before a job is known
from kata.protocol import Event, Job
from kata.report.model import Failure
from kata.supervisor import asserts
from kata.supervisor.failures import CheckFailed, Inconclusive, StudentError
from kata.supervisor.plugin import Grading
from kata.supervisor.spawner import Spawner
from kata.supervisor.world import World

_UNUSED_PLUGINS = (
    "cacheprovider", "capture", "debugging", "doctest", "faulthandler", "junitxml", "legacypath", "logging",
    "pastebin", "setuponly", "setupplan", "stepwise", "threadexception", "unraisableexception", "warnings",
)  # fmt: skip
"""Parts of pytest that a grader has no use for; each would cost start-up time."""

# Hypothesis tries constants that it reads in every module outside site-packages. That takes long, and
# examples would depend on where kata is installed: the same seed must give the same run.
vars(providers)["is_local_module_file"] = lambda path: False


def preflight(job: Job, world: World) -> Failure | None:
    """Import the submission once, and see that it defines what the exercise asks for; why not, if not."""
    world.begin(f"{job.seed}:preflight", job.coverage)
    try:
        _, names = world.spawn()
    except StudentError as error:
        return Failure(
            kind="load",
            message=f"{job.file} can't be imported: {error}",
            places=error.places,
            advice=_import_advice(error),
        )
    except CheckFailed as failed:
        stopped = failed.failure
        return Failure(
            kind="load",
            message=f"{job.file} can't be imported. {stopped.message}",
            places=stopped.places,
            advice="Importing the file must only define things: " + stopped.advice[:1].lower() + stopped.advice[1:],
        )
    world.end()
    missing = [name for name in job.provides if name not in names]
    return _lacks(job, missing, names) if missing else None


def _import_advice(error: StudentError) -> str:
    if "(unicode error)" in error.message or "UnicodeDecodeError" in error.types:
        return "Save the file as UTF-8."
    if "SyntaxError" in error.types or "null bytes" in error.message:
        return "Python can't read the file: look at the line named above, and at the one before it."
    if "ImportError" in error.types:
        return "Only the standard library is there, and the files that you hand in."
    return "Importing the file must only define things; look at the line named above."


def _lacks(job: Job, missing: list[str], names: list[str]) -> Failure:
    near = difflib.get_close_matches(missing[0], names, n=1)
    hint = f"It has {near[0]}: is that the one?" if near else "Keep the names and signatures of the stub."
    empty = not job.submission[job.file].strip()
    return Failure(
        kind="load",
        message=f"{job.file} {'is empty' if empty else 'does not define ' + ', '.join(missing)}.",
        expected=", ".join(job.provides),
        got=", ".join(names[:20]) or "nothing",
        advice=hint,
    )


def run_checks(
    job: Job,
    world: World,
    spawners: Sequence[Spawner],
    scratch: Path,
    emit: Callable[[Event], None],
    log: Callable[[str], None],
) -> int:
    """Run the grader over the submission, as many checks side by side as there are spawners; how many checks ended.

    Raises Inconclusive when the grader can't be collected, or breaks.
    """
    folder = scratch / "grader"
    folder.mkdir(mode=0o700)
    for name, content in job.grader.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    asserts.install(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    grading = Grading(job, world, spawners, emit, log)
    blocked = [f"-pno:{name}" for name in _UNUSED_PLUGINS]
    options = [f"--rootdir={folder}", f"-c{os.devnull}", "--assert=plain", "-q", *blocked]
    status = pytest.main([str(folder), *options], [grading])
    if not grading.collected or status != pytest.ExitCode.OK:
        raise Inconclusive(f"the grader could not be run (pytest's status {int(status)})")
    return grading.finished
