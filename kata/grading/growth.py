"""How work grows with size: the slope of log(work) on log(size), measured until it is clear of its bound."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from kata.supervisor.failures import Inconclusive, failed

ROUNDS_MIN = 3
ROUNDS_MAX = 12
# Student's t for a two-sided 99 % interval, by degrees of freedom.
_T = {2: 9.925, 3: 5.841, 4: 4.604, 5: 4.032, 6: 3.707, 7: 3.499, 8: 3.355, 9: 3.250, 10: 3.169, 11: 3.106}


def growth(measure: Callable[[int], float], sizes: Sequence[int], at_most: float, what: str = "The work") -> float:
    """See that the work for a size grows at most like size ** at_most; the measured exponent.

    `measure(size)` does the work and returns what it cost (CPU seconds of the student process, read from outside it).
    All sizes are measured in turn, again and again, until the exponent's 99 % interval is clear of the bound.
    Raises a failure of kind `cost` when it is above, Inconclusive when the machine is too noisy to tell.
    """
    slopes: list[float] = []
    while len(slopes) < ROUNDS_MAX:
        slopes.append(slope([(size, measure(size)) for size in sizes]))
        if len(slopes) < ROUNDS_MIN:
            continue
        centre = statistics.fmean(slopes)
        margin = _T[len(slopes) - 1] * statistics.stdev(slopes) / math.sqrt(len(slopes))
        if centre + margin <= at_most:
            return centre
        if centre - margin > at_most:
            raise failed(
                "cost",
                f"{what} grows like size to the power of {centre:.2f}; it may grow like {at_most:g} at most.",
                expected=f"an exponent of at most {at_most:g}",
                got=f"{centre:.2f} (measured {len(slopes)} times over sizes {sizes[0]} to {sizes[-1]})",
                advice="Look for a loop over everything that is held, where one look-up would do.",
            )
    raise Inconclusive(
        f"the machine is too noisy to tell how work grows ({statistics.fmean(slopes):.2f} ± {margin:.2f})"
    )


def slope(points: Sequence[tuple[int, float]]) -> float:
    """The least-squares slope of log(work) on log(size); work of 0 counts as one nanosecond."""
    x = [math.log(size) for size, _ in points]
    y = [math.log(max(work, 1e-9)) for _, work in points]
    return statistics.linear_regression(x, y).slope
