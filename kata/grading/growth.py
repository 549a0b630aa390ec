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
# Student's t for a two-sided 99 % interval, by degrees of freedom.
_T = {2: 9.925, 3: 5.841, 4: 4.604, 5: 4.032, 6: 3.707, 7: 3.499, 8: 3.355, 9: 3.250, 10: 3.169, 11: 3.106}


LOOKS_SHARE = 0.5
"""Of the time that a look at everything takes: so much more may a call cost in the largest size."""


class _Estimate(NamedTuple):
    """The 99 % interval of a mean."""

    mean: float
    margin: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Estimate:
        margin = _T[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
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
    more: list[float] = []
    allowed = LOOKS_SHARE * (sizes[-1] - sizes[0]) * look_seconds() if calls else math.inf
    for _ in range(ROUNDS_MAX):
        works = [measure(size) for size in sizes]
        slopes.append(slope(list(zip(sizes, works, strict=True))))
        more.append((works[-1] - works[0]) / calls if calls else 0.0)
        if len(slopes) < ROUNDS_MIN:
            continue
        exponent, extra = _Estimate.of(slopes), _Estimate.of(more)
        where = f"(measured {len(slopes)} times over sizes {sizes[0]} to {sizes[-1]})"
        if exponent.is_above(at_most):
            raise failed(
                "cost",
                f"{what} grows like size to the power of {exponent.mean:.2f}; it may grow like {at_most:g} at most.",
                expected=f"an exponent of at most {at_most:g}",
                got=f"{exponent.mean:.2f} {where}",
                advice="Look for a loop over everything that is held, where one look-up would do.",
            )
        if exponent.is_below(at_most) and extra.is_above(allowed):
            raise failed(
                "cost",
                f"{what} grows, beside much that stays the same: in a size of {sizes[-1]} a call costs "
                f"{extra.mean * 1e6:.3g} µs of CPU time more than in one of {sizes[0]}.",
                expected=f"at most {allowed * 1e6:.3g} µs more",
                got=f"{extra.mean * 1e6:.3g} µs {where}",
                advice="Look for a loop over everything that is held, where one look-up would do.",
            )
        if exponent.is_below(at_most) and extra.is_below(allowed):
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
