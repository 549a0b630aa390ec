"""Medians of interleaved runs, beside the bare start of Python and the same checks in one process in the same rounds.

    python -m tests.benchmarks [--rounds N] [--sandbox NAME]...

Machines are shared and noisy: what counts is a figure's ratio to its yardstick, and how both change together.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kata.catalog import Catalog
from kata.exercise import Exercise, Limits
from kata.grading.fakes import Store
from kata.supervisor.spawner import Spawner
from kata.supervisor.world import World

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "solutions/15-caching/cache_aside.py"
IN_PROCESS = "its checks, one process"
"""The same checks as plain pytest, with the submission imported beside them."""
CALLS = 2_000
TICKS = 2_000
TICKER = b"""
import asyncio

class Ticker:
    async def run(self, times):
        for _ in range(times):
            await asyncio.sleep(1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sandbox", action="append", choices=("process", "bubblewrap", "docker"))
    options = parser.parse_args()
    sandboxes = options.sandbox or ["process", "bubblewrap", "docker"]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as home:
        os.environ["KATA_HOME"] = home
        _print_times(_programs(sandboxes), options.rounds)
        _print_exercises(sandboxes[-1], options.rounds)
        _print_watch(options.rounds)
        _print_memory()
    for pinned in (False, True):
        _print_calls(pinned, options.rounds)


def _programs(sandboxes: list[str]) -> dict[str, list[str]]:
    kata = [sys.executable, "-m", "kata"]
    programs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import click": [sys.executable, "-c", "import click"],
        "kata --help": [*kata, "--help"],
        "kata list": [*kata, "list"],
        IN_PROCESS: [sys.executable, "-m", "tests.benchmarks.inprocess"],
    }
    for sandbox in sandboxes:
        programs[f"kata check, {sandbox}"] = [
            *kata,
            "check",
            "15-caching",
            str(REFERENCE),
            "--sandbox",
            sandbox,
            "--quiet",
        ]
    return programs


def _print_times(programs: dict[str, list[str]], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in programs}
    # The first round also warms caches and images.
    failed = {name: said for name, command in programs.items() for _, status, said in [_run(command)] if status}
    for _ in range(rounds):
        for name, command in programs.items():
            if name not in failed:
                times[name].append(_run(command)[0])
    bare, plain = (statistics.median(times[name]) for name in ("python -c pass", IN_PROCESS))
    print(f"\n{'':24}{'median':>10}{'least':>10}{'most':>10}{'to python':>12}{'to one process':>16}")
    for name, seconds in times.items():
        if seconds:
            middle = statistics.median(seconds)
            figures = "".join(f"{value * 1000:>7.0f} ms" for value in (middle, min(seconds), max(seconds)))
            print(f"{name:24}{figures}{middle / bare:>12.1f}{middle / plain:>16.2f}")
        else:
            print(f"{name:24}   failed: {failed[name]}")


def _print_exercises(sandbox: str, rounds: int) -> None:
    """Each exercise's reference in one sandbox: the whole command, and where its time goes."""
    print(f"\n{'references, ' + sandbox:24}{'in all':>10}{'start':>10}{'load':>10}{'checks':>10}   the longest check")
    for exercise in Catalog().all():
        with tempfile.TemporaryDirectory() as folder:
            runs = [_phases(exercise, sandbox, Path(folder)) for _ in range(rounds)]
        figures = (statistics.median(values) for values in zip(*(seconds for seconds, _ in runs), strict=True))
        longest = max(_checks(runs[-1][1]), key=lambda check: check["seconds"])
        told = "".join(f"{seconds:>8.2f} s" for seconds in figures)
        print(f"{exercise.id:24}{told}   {longest['seconds']:.2f} s {longest['id']}")


def _phases(exercise: Exercise, sandbox: str, folder: Path) -> tuple[tuple[float, ...], dict[str, Any]]:
    report = folder / "report.json"
    submission = str(exercise.solution_folder / exercise.file)
    command = [sys.executable, "-m", "kata", "check", exercise.id, submission, "--sandbox", sandbox, "--quiet"]
    seconds, status, said = _run([*command, "--report", f"json={report}"])
    if status:
        raise SystemExit(f"{exercise.id} in {sandbox}: {said}")
    told = json.loads(report.read_text("utf-8"))
    phases = told["phases"]
    return (seconds, phases["start_seconds"], phases["load_seconds"], phases["checks_seconds"]), told


def _checks(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [check for requirement in report["requirements"] for check in requirement["checks"]]


def _run(command: list[str]) -> tuple[float, int, str]:
    """How long it took, its status, and the last that it said."""
    begun = time.perf_counter()
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return time.perf_counter() - begun, run.returncode, (run.stdout.strip().splitlines() or ["nothing said"])[-1]


def _print_watch(rounds: int) -> None:
    """From saving the file to the verdict, with the next sandbox already warm."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cache_aside.py"
        source = REFERENCE.read_text()
        file.write_text(source)
        command = [
            sys.executable,
            "-m",
            "kata",
            "check",
            "15-caching",
            str(file),
            "--sandbox",
            "process",
            "--quiet",
            "--watch",
        ]
        watch = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert watch.stdout is not None
        verdicts = iter(lambda: watch.stdout.readline(), "")
        seconds = []
        try:
            _next_verdict(verdicts)
            for number in range(rounds):
                time.sleep(2)  # a learner thinks longer, and the next sandbox warms up meanwhile
                file.write_text(f"{source}\n# {number}\n")
                begun = time.perf_counter()
                _next_verdict(verdicts)
                seconds.append(time.perf_counter() - begun)
        finally:
            watch.terminate()
            watch.wait()
    print(f"{'watch: save to verdict':24}{statistics.median(seconds) * 1000:>7.0f} ms")


def _next_verdict(lines) -> None:
    for line in lines:
        if "/100" in line:
            return
    raise SystemExit("kata check --watch ended without a verdict")


def _print_calls(pinned: bool, rounds: int) -> None:
    allowed = os.sched_getaffinity(0)
    if pinned:
        os.sched_setaffinity(0, {min(allowed)})
    try:
        call_us = statistics.median(
            _in_world({REFERENCE.name: REFERENCE.read_bytes()}, _call_us) for _ in range(rounds)
        )
        events = statistics.median(_in_world({"ticker.py": TICKER}, _events_a_second) for _ in range(rounds))
    finally:
        os.sched_setaffinity(0, allowed)
    where = "one core" if pinned else "any core"
    print(f"a call, {where:16}{call_us:>7.0f} µs\nevents, 5 processes, {where}{events:>9,.0f} a second")


def _in_world(files: dict[str, bytes], measure: Callable[[World], float]) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        spawner = Spawner("plain", Path(scratch))
        try:
            limits = Limits(check_seconds=120, call_seconds=60)
            spawner.prepare(files, next(iter(files)), limits, 0)
            world = World(spawner, limits, 1, files)
            world.begin("benchmark", coverage=False)
            result = measure(world)
            world.end()
            return result
        finally:
            spawner.close()


def _call_us(world: World) -> float:
    cache = world.student().CacheAside(Store(world, {"ada": b"v1"}), ttl=60, capacity=10)
    cache.get("ada")
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        cache.get("ada")
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def _events_a_second(world: World) -> float:
    calls = [world.student(f"p{number}").Ticker().run.start(TICKS // 5) for number in range(5)]
    begun = time.perf_counter()
    world.clock.advance(TICKS)
    assert all(call.done for call in calls)
    return TICKS / (time.perf_counter() - begun)


def _print_memory() -> None:
    """The most that a run's processes held together, each shared page counted once over those that share it (PSS)."""
    command = [sys.executable, "-m", "kata", "check", "15-caching", str(REFERENCE), "--sandbox", "process", "--quiet"]
    peaks: list[int] = []
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            peaks.append(sum(_pss_kib(pid) for pid in _tree(run.pid)))

    looking = threading.Thread(target=look)
    looking.start()
    run.wait()
    ended.set()
    looking.join()
    print(f"peak memory of a run    {max(peaks) / 1024:>7.0f} MiB")


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(descendant for child in children for descendant in _tree(int(child)))]


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
