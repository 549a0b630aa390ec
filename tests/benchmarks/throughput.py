"""How many submissions a cohort's run grades for a second of CPU time, beside a container for each without isolation.

    python -m tests.benchmarks.throughput [--submissions N] [--sandbox NAME]...

The yardstick is what autograders commonly do: for each submission one `docker run` of the same image, in which the
same checks run as plain pytest in one process with the submission. All CPU time of the machine counts, the docker
daemon's too: nothing else should run beside it. The submissions are the reference of 15-caching, each with another
comment. Images are built, and the daemon is warm, before anything is counted.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from kata.sandbox import docker, image

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = "15-caching"
REFERENCE = ROOT / f"solutions/{EXERCISE}/cache_aside.py"
RUN = "python3 -m tests.benchmarks.inprocess"
UNPACK_AND_RUN = f"mkdir /tmp/k && cd /tmp/k && tar xf - && PYTHONPATH=/tmp/k:{docker.PACKAGES} {RUN}"
CORES = len(os.sched_getaffinity(0))


class Cost(NamedTuple):
    """What a number of submissions took."""

    cpu_seconds: float
    wall_seconds: float


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.throughput")
    parser.add_argument("--submissions", type=int, default=40)
    parser.add_argument("--sandbox", action="append", choices=("bubblewrap", "docker"))
    options = parser.parse_args()
    count: int = options.submissions
    built = image.ensure(lambda line: None, client=docker.connect())
    packed = _packed()
    _in_a_container(built, packed)
    print(f"{'':34}{'CPU-s each':>12}{'as many':>10}{'wall':>9}{'cores busy':>12}")
    yardstick = _counted(lambda: _yardstick(built, packed, count))
    _print("a docker run each, nothing isolated", yardstick, yardstick, count)
    for sandbox in options.sandbox or ("docker", "bubblewrap"):
        with tempfile.TemporaryDirectory() as folder:
            command = _command(Path(folder), sandbox, count)
            _print(f"kata grade, {sandbox}", _counted(lambda c=command: _run(c)), yardstick, count)


def _counted(work: Callable[[], None]) -> Cost:
    cpu, wall = cpu_seconds(), time.monotonic()
    work()
    return Cost(cpu_seconds() - cpu, time.monotonic() - wall)


def cpu_seconds() -> float:
    """What all cores of the machine have worked so far: without idling, and waiting for a disk."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _print(what: str, cost: Cost, yardstick: Cost, count: int) -> None:
    ratio = yardstick.cpu_seconds / cost.cpu_seconds
    busy = cost.cpu_seconds / cost.wall_seconds / CORES
    print(
        f"{what:34}{cost.cpu_seconds / count:>12.2f}{ratio:>10.2f}{cost.wall_seconds:>7.0f} s{busy:>12.0%}", flush=True
    )


def _packed() -> bytes:
    """What the yardstick needs of this repository, as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for part in (
            "kata",
            "tests/benchmarks",
            *(f"{tree}/{EXERCISE}" for tree in ("exercises", "graders", "solutions")),
        ):
            archive.add(ROOT / part, part, filter=lambda info: None if "__pycache__" in info.name else info)
    return data.getvalue()


def _yardstick(built: str, packed: bytes, count: int) -> None:
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda _: _in_a_container(built, packed), range(count)))


def _in_a_container(built: str, packed: bytes) -> None:
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "sh", built, "-c", UNPACK_AND_RUN]
    done = subprocess.run(command, input=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if not re.search(
        rb"^\d+ checks", done.stdout, re.MULTILINE
    ):  # those of the clock may fail on a busy machine: they did their work
        raise SystemExit(f"the yardstick did not run: it ended with {done.returncode}")


def _command(folder: Path, sandbox: str, count: int) -> list[str]:
    """Grades so many submissions, which are written into the folder."""
    for number in range(count):
        file = folder / f"all/p{number:04}" / REFERENCE.name
        file.parent.mkdir(parents=True)
        file.write_text(f"{REFERENCE.read_text('utf-8')}\n# {number}\n", "utf-8")
    options = ["--exercise", EXERCISE, "--sandbox", sandbox, "--seed", "1"]
    return [sys.executable, "-m", "kata", "grade", str(folder / "all"), "--out", str(folder / "run"), *options]


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
