"""Faults of the host: `kata` is killed at random moments of a run, and what is left must be swept by the next one.

    python -m tests.faults --sandbox bubblewrap --times 100 --seed 1

A run of the reference is begun and killed with SIGKILL after a random time, from its start to a little before its usual
end. Then all its processes must end by themselves, the progress of the runs before must be whole, and the next run must
be graded as ever and leave nothing of the killed one behind. It is run by hand; `test_faults.py` does it a few times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

if __package__:
    from tests.leftovers import containers_of, left_behind, processes_of
else:
    from leftovers import containers_of, left_behind, processes_of

ROOT = Path(__file__).resolve().parent.parent
EXERCISE, SUBMISSION = "15-caching", ROOT / "solutions/15-caching/cache_aside.py"
END_SECONDS = 30
"""Within which all processes of a run must have ended when its `kata` was killed; a guard against a hang."""


class Victim:
    """`kata check` with a state of its own, to be killed."""

    def __init__(self, home: Path, sandbox: str) -> None:
        self._home = home
        self._command = [sys.executable, "-m", "kata", "check", EXERCISE, str(SUBMISSION), "--sandbox", sandbox]
        self._environment = {**os.environ, "KATA_HOME": str(home), "PYTHONPATH": str(ROOT)}

    def run(self) -> float:
        """A whole run, which must earn everything; how many seconds it took."""
        begun = time.monotonic()
        done = subprocess.run([*self._command, "--quiet"], env=self._environment, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"a run ended with {done.returncode}: {done.stdout}{done.stderr}")
        return time.monotonic() - begun

    def kill_after(self, seconds: float) -> int:
        """Begin a run, and kill it after that time; the pid that it had."""
        with subprocess.Popen(
            [*self._command, "--quiet"], env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(seconds)
            process.kill()
        return process.pid

    def attempts(self) -> int:
        """How many runs the saved progress knows of. ValueError when it is no JSON any more."""
        progress = json.loads((self._home / "progress.json").read_bytes())
        return int(progress["exercises"][EXERCISE]["attempts"])


def kill_at_random(sandbox: str, times: int, seed: int, sweep_every: int = 1) -> Iterator[str]:
    """Kill so many runs, each at a moment drawn from the seed; a sentence for each thing that was not as it should be.

    After each `sweep_every` kills a whole run follows, which sweeps.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        victim = Victim(Path(home), sandbox)
        usual = min(victim.run() for _ in range(2))
        pids: list[int] = []
        for number in range(times):
            seconds = chance.uniform(0, usual)
            before = victim.attempts()
            pid = victim.kill_after(seconds)
            pids.append(pid)
            where = f"seed {seed}, kill {number}, after {seconds:.2f} s of {usual:.2f}"
            if running := _processes_left(pid):
                yield f"{where}: processes did not end: {running}"
            if victim.attempts() not in (before, before + 1):
                yield f"{where}: the progress of the runs before is lost"
            if (number + 1) % sweep_every == 0 or number + 1 == times:
                victim.run()
                for each in pids:
                    if left := left_behind(each):
                        yield f"{where}: the next run has left {left}"
                pids.clear()


def _processes_left(pid: int) -> list[str]:
    """Of a run whose `kata` is gone: the processes and containers that still run after a while."""
    until = time.monotonic() + END_SECONDS
    while running := processes_of(pid) + containers_of(pid, running=True):
        if time.monotonic() > until:
            return running
        time.sleep(0.05)
    return []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--sandbox", choices=("process", "bubblewrap", "docker"), default="bubblewrap")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = 0
    for fault in kill_at_random(options.sandbox, options.times, options.seed, sweep_every=5):
        count += 1
        print(fault, flush=True)
    print(f"{options.times} kills in {options.sandbox}, {count} faults")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
