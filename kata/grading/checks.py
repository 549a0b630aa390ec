"""What makes a test function a check: the requirement it is evidence for, and whether it is tried on many examples."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from kata.supervisor.failures import CheckFailed, ProcessFailed, StudentError
from kata.supervisor.world import World

Test = Callable[..., None]

SHRINK_RUNS_MAX = 200
SHRINK_SECONDS_MAX = 2.0
"""Once an example has failed, this much is spent on finding a smaller one; whichever is used up first."""


def check(requirement: str, *, coverage: bool = True) -> Callable[[Test], Test]:
    """Make a test evidence for that requirement.

    Its docstring is a true sentence about a correct system: the student reads it. `coverage=False` leaves the lines it
    runs uncounted, as checks of CPU time must.
    """
    return pytest.mark.kata_check(requirement, coverage=coverage)


def examples(count: int = 40, **drawn: strategies.SearchStrategy[Any]) -> Callable[[Test], Test]:
    """Try a test on `count` examples, whose arguments Hypothesis draws from the given strategies, by the run's seed.

    The test begins each example with a fresh run (`world.reset()`, usually in a builder fixture). What is reported is
    the smallest failing example that was found within the budget.
    """

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        fixtures = [p for name, p in signature.parameters.items() if name not in drawn]
        if "world" not in signature.parameters:
            fixtures.append(inspect.Parameter("world", inspect.Parameter.KEYWORD_ONLY))

        @functools.wraps(test)
        def run(world: World, **values: Any) -> None:
            if "world" in signature.parameters:
                values["world"] = world
            _Property(functools.partial(test, **values), drawn, count, world).run()

        run.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        del run.__wrapped__
        return run

    return decorate


class _Enough(BaseException):
    """Ends Hypothesis at once; not an Exception, so that it is taken for no failing example."""


class _Property:
    """One run of a property: its examples, and the smallest failing one so far."""

    def __init__(self, test: Test, drawn: dict[str, Any], count: int, world: World) -> None:
        self._test = test
        self._drawn = drawn
        self._count = count
        self._world = world
        self._smallest: CheckFailed | None = None
        self._size = 0
        self._failing_since = 0.0
        self._runs_since = 0

    def run(self) -> None:
        settings = hypothesis.settings(
            max_examples=self._count,
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            report_multiple_bugs=False,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )
        seed = self._world.random.getrandbits(64)
        try:
            hypothesis.seed(seed)(settings(hypothesis.given(**self._drawn)(self._example)))()
        except _Enough:
            pass
        except (CheckFailed, hypothesis.errors.HypothesisException):
            if self._smallest is None:
                raise
        if self._smallest is not None:
            raise self._smallest

    def _example(self, **drawn: Any) -> None:
        self._spend()
        try:
            self._test(**drawn)
        except ProcessFailed as error:
            # Stuck or gone: trying it again and again would cost its limit each time.
            self._keep(error)
            raise _Enough from None
        except CheckFailed as error:
            self._keep(error)
            raise
        except StudentError as error:
            failed = CheckFailed(error.failure())
            self._keep(failed)
            raise failed from None

    def _spend(self) -> None:
        if self._smallest is None:
            return
        if not self._world.shrink:
            raise _Enough
        self._runs_since += 1
        if self._runs_since > SHRINK_RUNS_MAX or time.monotonic() - self._failing_since > SHRINK_SECONDS_MAX:
            raise _Enough

    def _keep(self, error: CheckFailed) -> None:
        if self._smallest is None:
            self._failing_since = time.monotonic()
        size = len(self._world.entries)
        if self._smallest is None or size <= self._size:
            error.transcript = self._world.lines()
            self._smallest, self._size = error, size
