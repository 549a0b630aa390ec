"""How pytest runs the checks: which ones, in which order, with which fixtures, and what becomes of their outcome."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from kata.protocol import Declared, Event, Finished, Job, Started
from kata.report.model import CheckResult, Failure, Outcome
from kata.supervisor import asserts
from kata.supervisor.failures import CheckFailed, Inconclusive, StudentError
from kata.supervisor.proxies import Module
from kata.supervisor.world import Clock, World

_WASTED_SHARE = 0.2
"""Of the run's time, in CPU seconds: a submission that was stuck for longer has itself to blame for the rest."""


class Grading:
    """The pytest plugin of one run. `emit` sends an event to the host; `log` is for our own eyes."""

    def __init__(self, job: Job, world: World, emit: Callable[[Event], None], log: Callable[[str], None]) -> None:
        self._job = job
        self._world = world
        self._emit = emit
        self._log = log
        self._ends_at = time.monotonic() + job.limits.run_seconds
        self._wasted_seconds = 0.0
        """CPU time of checks that ended because something was stuck."""
        self._lost: set[str] = set()
        """Requirements that are not met so far."""
        self.finished = 0
        self.collected = False

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "kata_check(requirement, coverage): evidence for that requirement")

    # ------------------------------------------------------------ fixtures

    @pytest.fixture
    def world(self) -> World:
        """The run: processes, fakes, clock and transcript."""
        return self._world

    @pytest.fixture
    def clock(self) -> Clock:
        """The hand on virtual time."""
        return self._world.clock

    @pytest.fixture
    def student(self) -> Module:
        """The submission's module in a fresh process."""
        return self._world.student()

    # ------------------------------------------------------------ collecting

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Only what was asked for, in the order of the requirements."""
        order = list(self._job.requirements)
        items[:] = [item for item in items if _requirement(item) in order]
        items.sort(key=lambda item: order.index(_requirement(item)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Every check is declared before the first one runs."""
        self._emit(Declared(checks=tuple((_id(item), _requirement(item), _sentence(item)) for item in session.items)))
        self.collected = not session.testsfailed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._log(str(report.longrepr))

    # ------------------------------------------------------------ running

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """One check, from its fresh world to its event."""
        self._emit(Started(id=_id(item)))
        begun = time.monotonic()
        missing = [need for need in self._job.requirements[_requirement(item)] if need in self._lost]
        if missing:
            result = self._result(item, "skipped", None, begun)
        elif begun > self._ends_at:
            result = self._out_of_time(item, begun)
        else:
            result = self._run(item, nextitem, begun)
        if result.outcome != "met":
            self._lost.add(_requirement(item))
        self.finished += 1
        self._emit(Finished(result=result))
        return True

    def _out_of_time(self, item: pytest.Item, begun: float) -> CheckResult:
        """The run's time is up. It is the submission's fault only when it spent that time on being stuck."""
        self._world.begin("", False)
        if self._wasted_seconds < self._job.limits.run_seconds * _WASTED_SHARE:
            why = Failure(kind="our-fault", message="The run's time was up before this check's turn came.")
            return self._result(item, "inconclusive", why, begun)
        why = Failure(
            kind="time-out",
            message="The run's time was up before this check's turn came: too much went to calls that did not end.",
            advice="Mend the first check that was stopped, and run it again.",
        )
        return self._result(item, "unmet", why, begun)

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None, begun: float) -> CheckResult:
        marker = _marker(item)
        self._world.begin(f"{self._job.seed}:{_id(item)}", self._job.coverage and marker.kwargs["coverage"])
        asserts.watch(self._world)
        error: BaseException | None = None
        setup = pytest.CallInfo.from_call(lambda: item.session._setupstate.setup(item), "setup")
        if setup.excinfo is not None:
            error = setup.excinfo.value
        else:
            call = pytest.CallInfo.from_call(item.runtest, "call")
            error = call.excinfo.value if call.excinfo else None
        if isinstance(error, StudentError):
            error = CheckFailed(error.failure())
        transcript = self._world.lines()
        pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(nextitem), "teardown")
        self._world.end()
        return self._judge(item, error, transcript, begun)

    def _judge(self, item: pytest.Item, error: BaseException | None, transcript: Any, begun: float) -> CheckResult:
        match error:
            case None:
                return self._result(item, "met", None, begun)
            case CheckFailed(failure=failure):
                self._world.wrong += 1
                if failure.kind == "time-out" or self._world.spent_seconds > self._job.limits.call_seconds:
                    self._world.lose_patience()
                    self._wasted_seconds += self._world.spent_seconds
                return self._result(item, "unmet", failure, begun, error.transcript or transcript)
            case Inconclusive() if time.monotonic() > self._ends_at:
                return self._out_of_time(item, begun)
            case Inconclusive():
                failure = Failure(kind="our-fault", message=f"This could not be judged: {error}.")
            case _:
                self._log("".join(traceback.format_exception(error)))
                failure = Failure(
                    kind="our-fault",
                    message=f"The check itself broke ({type(error).__name__}). This costs you nothing.",
                    advice="Please report it, with the seed.",
                )
        return self._result(item, "inconclusive", failure, begun, transcript)

    def _result(
        self, item: pytest.Item, outcome: Outcome, failure: Failure | None, begun: float, transcript: Any = ((), 0)
    ) -> CheckResult:
        skipped = outcome == "skipped"
        return CheckResult(
            id=_id(item),
            text=_sentence(item),
            outcome=outcome,
            failure=failure,
            transcript=transcript[0],
            transcript_cut=transcript[1],
            output="" if skipped else self._world.output(),
            output_cut=False if skipped else self._world.output_cut,
            seconds=round(time.monotonic() - begun, 6),
            virtual_seconds=0.0 if skipped else self._world.now_ns / 1e9,
            examples=0 if skipped else max(1, self._world.runs - 1),
        )


def _marker(item: pytest.Item) -> pytest.Mark:
    marker = item.get_closest_marker("kata_check")
    if marker is None:
        raise pytest.UsageError(f"{item.name} has no @check: name the requirement that it is evidence for")
    return marker


def _requirement(item: pytest.Item) -> str:
    return str(_marker(item).args[0])


def _id(item: pytest.Item) -> str:
    return f"{item.path.stem}::{item.name}"


def _sentence(item: pytest.Item) -> str:
    """The docstring's first paragraph on one line: what the student reads."""
    text = (getattr(getattr(item, "obj", None), "__doc__", None) or item.name).strip()
    return " ".join(text.split("\n\n")[0].split())
