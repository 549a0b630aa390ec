"""Every ordinary way to read the time or to sleep, in a student process, goes through here.

Wall clocks (`time.time`, `datetime.now`) are freezegun's. Monotonic ones are ours, because the grader can step the wall
clock without them; so is `time.sleep`, which freezegun leaves alone. The supervisor owns both readings.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any

import freezegun

_EPOCH = datetime.datetime(1970, 1, 1)

_monotonic_ns = 0
_factory: Any = None


def monotonic_ns() -> int:
    """The virtual monotonic clock, in nanoseconds."""
    return _monotonic_ns


def monotonic() -> float:
    """The virtual monotonic clock, in seconds."""
    return _monotonic_ns / 1_000_000_000


def set_time(monotonic_ns: int, wall_ns: int) -> None:
    """The clocks' new readings; the wall clock counts from the Unix epoch and has a resolution of one microsecond."""
    global _monotonic_ns
    _monotonic_ns = monotonic_ns
    _factory.time_to_freeze = _EPOCH + datetime.timedelta(microseconds=wall_ns // 1000)


def freeze() -> None:
    """Put virtual clocks in the place of the real ones. Once, before any student code is imported."""
    global _factory
    _factory = freezegun.freeze_time(_EPOCH).start()
    for name in ("monotonic", "perf_counter"):
        setattr(time, name, monotonic)
        setattr(time, f"{name}_ns", monotonic_ns)


def replace_sleep(sleep: Callable[[float], None]) -> None:
    """Let `time.sleep` be virtual too."""
    time.sleep = sleep  # type: ignore[assignment]
