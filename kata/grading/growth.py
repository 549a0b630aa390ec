"""How work grows with size: the slope of log(work) on log(size), measured until it is clear of its bound."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kata.supervisor.failures import Inconclusive, failed

ROUNDS_MIN = 3
ROUNDS_MAX = 12
"""To tell the exponent. A difference between calls is smaller: it takes so many at least, and twice as many at most."""
LOOKS_SHARE = 0.5
"""Of the time that a look at everything takes: so much more may a call cost in the largest size."""
# Student's t for a two-sided 99 % interval, from two degrees of freedom on.
_T = (
    *(9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055),
    *(3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807),
)


class _Estimate(NamedTuple):
    """The 99 % interval of a mean."""

    mean: float
    margin: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Estimate:
        margin = _T[len(values) - ROUNDS_MIN] * statistics.stdev(values) / math.sqrt(len(values))
        return cls(statistics.fmean(values), margin)

    def is_below(self, bound: float) -> bool:
        return self.mean + self.margin <= bound

    def is_above(self, bound: float) -> bool:
        return self.mean - self.margin > bound


def growth(
    measure: Callable[[int], float], sizes: Sequence[int], at_most: float, what: str = "The work", calls: int = 0
) -> float:
    """See that the work for a size grows at most like size ** at_most; the measured exponent.

    `measure(size)` does the work and returns what it cost (CPU seconds of the student process, read from outside it).
    All sizes are measured in turn, again and again, until the exponent's 99 % interval is clear of the bound.
    What should not grow at all can hide that it does behind what stays the same: a search through everything behind a
    pause that takes ten times as long. So with `calls`, how many of them a measurement has, one in the largest size may
    not cost more than one in the smallest by half of what a look at everything would.
    Raises a failure of kind `cost` when it is above, Inconclusive when the machine is too noisy to tell.
    """
    slopes: list[float] = []
    allowed: list[float] = []
    more: list[float] = []
    exponent = _Estimate(math.nan, math.inf)
    for _ in range(2 * ROUNDS_MAX if calls else ROUNDS_MAX):
        works = [measure(size) for size in sizes]
        if min(works) <= 0 < max(works):
            continue  # no work costs nothing: a time of 0, which has been seen, is a fault of the clock
        slopes.append(slope(list(zip(sizes, works, strict=True))))
        # Anew in each round: a core may be half as fast in the next moment.
        allowed.append(LOOKS_SHARE * (sizes[-1] - sizes[0]) * look_seconds() if calls else 1.0)
        more.append((works[-1] - works[0]) / calls if calls else 0.0)
        number = len(slopes)
        if number < ROUNDS_MIN:
            continue
        exponent = _Estimate.of(slopes)
        extra = _Estimate.of([one - limit for one, limit in zip(more, allowed, strict=True)])
        where = f"(measured {number} times over sizes {sizes[0]} to {sizes[-1]})"
        if exponent.is_above(at_most):
            raise failed(
                "cost",
                f"{what} grows like size to the power of {exponent.mean:.2f}; it may grow like {at_most:g} at most.",
                expected=f"an exponent of at most {at_most:g}",
                got=f"{exponent.mean:.2f} {where}",
                advice="Look for a loop over everything that is held, where one look-up would do.",
            )
        if number >= ROUNDS_MAX and exponent.is_below(at_most) and extra.is_above(0):
            mean = statistics.fmean(more) * 1e6
            raise failed(
                "cost",
                f"{what} grows, beside much that stays the same: in a size of {sizes[-1]} a call costs "
                f"{mean:.3g} µs of CPU time more than in one of {sizes[0]}.",
                expected=f"at most {statistics.fmean(allowed) * 1e6:.3g} µs more",
                got=f"{mean:.3g} µs {where}",
                advice="Look for a loop over everything that is held, where one look-up would do.",
            )
        if exponent.is_below(at_most) and extra.is_below(0):
            return exponent.mean
    if exponent.is_below(at_most):
        return exponent.mean  # what stays the same is too much to tell of such a difference
    raise Inconclusive(f"the machine is too noisy to tell how work grows ({exponent.mean:.2f} ± {exponent.margin:.2f})")


def look_seconds() -> float:
    """CPU seconds that it takes here to look at one key of a list: what a search through everything is made of."""
    keys, absent, taken = [f"key{number:04}" for number in range(1_000)], "key1000", []
    for _ in range(5):
        begun = time.process_time_ns()
        for _ in range(20):
            assert absent not in keys
        taken.append((time.process_time_ns() - begun) / 1e9 / 20 / len(keys))
    return min(taken)


def slope(points: Sequence[tuple[int, float]]) -> float:
    """The least-squares slope of log(work) on log(size); work of 0 counts as one nanosecond."""
    x = [math.log(size) for size, _ in points]
    y = [math.log(max(work, 1e-9)) for _, work in points]
    return statistics.linear_regression(x, y).slope
