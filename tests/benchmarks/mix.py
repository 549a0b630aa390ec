"""How busy a long run keeps the cores, and how much memory it comes to hold.

    python -m tests.benchmarks.mix [--submissions N] [--sandbox NAME] [--seed N]

As many people hand in 15-caching: four in ten something right, three in ten something wrong, two in ten something that
is right and slow, and one in ten something hostile. For each tenth of the results, in the order in which they came: how
long it took, what share of all cores' time was work (whoever's: nothing else should run beside it), the coordinator's
memory, and what the whole machine had in use. What is asked for: nine tenths of the time work, until all but the last
twentieth is graded, and memory that does not grow with the results.
"""

from __future__ import annotations

import argparse
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.throughput import CORES, EXERCISE, REFERENCE, ROOT, cpu_seconds

SLOW = "        for _ in range(20_000):\n            pass\n"
"""In each get: half a millisecond, hundreds of times."""
EVERY_SECONDS = 0.5
PARTS = 10


class Look(NamedTuple):
    """What was seen at one moment."""

    at: float
    results: int
    worked: float
    """CPU seconds of all cores since the machine's start."""
    coordinator_mib: float
    machine_mib: float


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mix")
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--sandbox", default="bubblewrap", choices=("process", "bubblewrap", "docker"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kata-mix-") as name:
        folder = Path(name)
        _hand_in(folder / "all", options.submissions, random.Random(options.seed))
        looks = _watched(folder, options.sandbox)
    total = looks[-1].results
    print(f"{total} results in {options.sandbox}, seed {options.seed}, {CORES} cores")
    print(f"{'results':>8}{'wall':>9}{'cores busy':>12}{'coordinator':>14}{'machine':>12}")
    first = looks[0]
    for part in range(1, PARTS + 1):
        last = next(look for look in looks if look.results >= total * part / PARTS)
        if last is not first:
            busy = f"{_busy(first, last):>12.0%}"
            print(
                f"{last.results:>8}{last.at - first.at:>7.0f} s{busy}"
                f"{last.coordinator_mib:>10.0f} MiB{last.machine_mib:>8.0f} MiB"
            )
        first = last
    nearly = next(look for look in looks if look.results >= total * 0.95)
    print(f"until all but the last twentieth were graded: {_busy(looks[0], nearly):.0%} busy")


def _hand_in(folder: Path, count: int, chance: random.Random) -> None:
    reference = REFERENCE.read_text("utf-8")
    slow = re.sub(r"(    async def get\(.*\n(?:        \"\"\".*\"\"\"\n)?)", lambda found: found[1] + SLOW, reference)
    assert SLOW in slow
    pools = {
        "right": [reference],
        "wrong": [path.read_text("utf-8") for path in sorted((ROOT / f"graders/{EXERCISE}/wrong").glob("*.py"))],
        "slow": [slow],
        "hostile": _hostile(),
    }
    for number in range(count):
        [kind] = chance.choices(list(pools), weights=(4, 3, 2, 1))
        path = folder / f"p{number:04}" / REFERENCE.name
        path.parent.mkdir(parents=True)
        path.write_text(f"{chance.choice(pools[kind])}\n# {number}\n", "utf-8")


def _hostile() -> list[str]:
    """The attacks on this exercise that are a file as it stands, and are read."""
    texts = [path.read_text("utf-8") for path in sorted((ROOT / "tests/attacks").glob("*/*.py"))]
    return [
        text
        for text in texts
        if f"Against: {EXERCISE}" in text and "refused;" not in text and "def build(folder" not in text
    ]


def _watched(folder: Path, sandbox: str) -> list[Look]:
    command = [sys.executable, "-m", "kata", "grade", str(folder / "all"), "--out", str(folder / "run")]
    options = ["--exercise", EXERCISE, "--sandbox", sandbox, "--seed", "1"]
    looks: list[Look] = []
    with (folder / "said").open("w+b") as said:
        grading = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)
        while grading.poll() is None:
            look = _look(folder / "run/ledger.sqlite", grading.pid)
            if looks or look.results:  # from the first result on: before it, sandboxes start
                looks.append(look)
            time.sleep(EVERY_SECONDS)  # looks are samples, and each costs a little itself
        if grading.returncode not in (0, 3):
            said.seek(0)
            raise SystemExit(f"kata grade ended with {grading.returncode}: {said.read().decode()[-500:]}")
    return looks


def _look(ledger: Path, pid: int) -> Look:
    results = 0
    if ledger.exists():
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10) as connection:
            tables = connection.execute("select count(*) from sqlite_master where name = 'attempts'").fetchone()[0]
            if tables:
                results = connection.execute("select count(*) from attempts where outcome is not null").fetchone()[0]
        connection.close()
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    status = Path(f"/proc/{pid}/status").read_text()
    held = re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)
    return Look(
        time.monotonic(),
        results,
        cpu_seconds(),
        int(held[1]) / 1024 if held else 0.0,
        (int(memory["MemTotal"]) - int(memory["MemAvailable"])) / 1024,
    )


def _busy(first: Look, last: Look) -> float:
    return (last.worked - first.worked) / (last.at - first.at) / CORES


if __name__ == "__main__":
    main()
