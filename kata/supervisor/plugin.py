"""How pytest runs the checks: which ones, in which order, with which fixtures, and what becomes of their outcome.

Where there are several spawners, checks run side by side, each lane a fork of this process that has a spawner of its
own. A check's chance comes from its name and the run's seed, so its verdict is the same in whichever lane it runs.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from kata.protocol import Declared, Event, Finished, Job, Started
from kata.report.model import CheckResult, Failure, Outcome
from kata.supervisor import asserts
from kata.supervisor.failures import CheckFailed, Inconclusive, StudentError
from kata.supervisor.lanes import Lanes, Verdict
from kata.supervisor.proxies import Module
from kata.supervisor.spawner import Spawner
from kata.supervisor.tally import Tally
from kata.supervisor.world import Clock, World

_WASTED_SHARE = 0.2
"""Of the run's time: a submission that was stuck for longer has itself to blame for the rest."""
_COSTLY_SHARE = 0.5
"""Of the run's time, likewise: for what was not stuck, only slow."""


class Grading:
    """The pytest plugin of one run. `emit` sends an event to the host; `log` is for our own eyes."""

    def __init__(
        self,
        job: Job,
        world: World,
        spawners: Sequence[Spawner],
        emit: Callable[[Event], None],
        log: Callable[[str], None],
    ) -> None:
        self._job = job
        self._world = world
        self._spawners = spawners
        self._emit = emit
        self._log = log
        self._ends_at = time.monotonic() + job.limits.run_seconds
        self._wasted_seconds = 0.0
        """Of checks that ended because something was stuck."""
        self._cost_seconds = 0.0
        """What all checks took on account of the submission, whether stuck or not: no busy machine adds to it."""
        self._lanes = len(spawners)
        """Among how many that time is spent."""
        self._items: list[pytest.Item] = []
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
        self._items = session.items

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._log(str(report.longrepr))

    # ------------------------------------------------------------ running

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """All checks: here, or side by side in several lanes."""
        if session.testsfailed:
            return None  # pytest says that it could not collect them
        schedule = Schedule(session.items, self._job.requirements, brief=self._job.brief)
        if len(self._spawners) == 1:
            while (item := schedule.next()) is not None:
                self._take(schedule, item, self.judge)
        else:
            self._run_in_lanes(schedule)
        return True

    def _run_in_lanes(self, schedule: Schedule) -> None:
        with Lanes(self._spawners, self._serve_lane) as lanes:
            while schedule.is_open():
                while lanes.idle and (item := schedule.next()) is not None:
                    self._take(schedule, item, lambda item: lanes.judge(schedule.number(item)))
                if lanes.busy:
                    number, verdict = lanes.next_verdict()
                    self._wasted_seconds += verdict.wasted_seconds
                    self._cost_seconds += verdict.cost_seconds
                    self._end(schedule, schedule.items[number], verdict)
            for tally in lanes.tallies():
                self._world.tally.add(tally)

    def _take(self, schedule: Schedule, item: pytest.Item, judge: Callable[[pytest.Item], Verdict | None]) -> None:
        """Begin with a check; `judge` gives its verdict, or None when that comes later."""
        self._emit(Started(id=_id(item)))
        begun = time.monotonic()
        if schedule.is_pointless(item):
            verdict: Verdict | None = Verdict(self._result(item, "skipped", None, begun))
        elif begun > self._ends_at:
            verdict = Verdict(self._out_of_time(item, begun))
        else:
            verdict = judge(item)
        if verdict is not None:
            self._end(schedule, item, verdict)

    def _end(self, schedule: Schedule, item: pytest.Item, verdict: Verdict) -> None:
        schedule.ended(item, verdict.result.outcome)
        self.finished += 1
        self._emit(Finished(result=verdict.result))

    def _serve_lane(self, spawner: Spawner, numbers: Iterator[int], tell: Callable[[Verdict], None]) -> Tally:
        """In a lane's own process: judge what the supervisor asks for, with student processes from that spawner."""
        self._world.move(spawner)
        self._lanes = 1
        for number in numbers:
            tell(self.judge(self._items[number]))
        self._world.end()
        return self._world.tally

    def judge(self, item: pytest.Item) -> Verdict:
        """Run one check in a fresh world."""
        wasted, cost = self._wasted_seconds, self._cost_seconds
        result = self._run(item, time.monotonic())
        return Verdict(result, self._wasted_seconds - wasted, self._cost_seconds - cost)

    def _out_of_time(self, item: pytest.Item, begun: float) -> CheckResult:
        """The run's time is up. It is the submission's fault only when it was itself what took that time."""
        self._world.begin("", False)
        seconds = self._job.limits.run_seconds * self._lanes
        if self._wasted_seconds < seconds * _WASTED_SHARE and self._cost_seconds < seconds * _COSTLY_SHARE:
            why = Failure(kind="our-fault", message="The run's time was up before this check's turn came.")
            return self._result(item, "inconclusive", why, begun)
        why = Failure(
            kind="time-out",
            message="The run's time was up before this check's turn came: too much went to calls that took too long.",
            advice="Mend the first check that was stopped or slow, and run it again.",
        )
        return self._result(item, "unmet", why, begun)

    def _run(self, item: pytest.Item, begun: float) -> CheckResult:
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
        pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(None), "teardown")
        # pytest would keep what the fixtures made, fakes and all that they hold, for as long as the item lives.
        item.funcargs.clear()  # type: ignore[attr-defined] # a function's items have it
        _let_go(error)
        self._world.end()
        self._cost_seconds += self._world.cost_seconds
        return self._judge(item, error, transcript, begun)

    def _judge(self, item: pytest.Item, error: BaseException | None, transcript: Any, begun: float) -> CheckResult:
        match error:
            case None:
                return self._result(item, "met", None, begun)
            case CheckFailed(failure=failure):
                self._world.tally.wrong += 1
                if failure.kind == "time-out" or self._world.cost_seconds > self._job.limits.call_seconds:
                    self._world.lose_patience()
                    self._wasted_seconds += self._world.cost_seconds
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


class Schedule:
    """Which check is next: in the requirements' order, but none before all that its requirement needs has ended."""

    def __init__(self, items: list[pytest.Item], needs: Mapping[str, Sequence[str]], *, brief: bool = False) -> None:
        self.items = list(items)
        self._needs = needs
        self._numbers = {id(item): number for number, item in enumerate(items)}
        self._waiting = list(items)
        self._open = Counter(_requirement(item) for item in items)
        """Of each requirement, how many checks have not ended."""
        self._lost: set[str] = set()
        self._brief = brief
        self._unmet: set[str] = set()

    def number(self, item: pytest.Item) -> int:
        return self._numbers[id(item)]

    def is_open(self) -> bool:
        """Whether some check has not ended."""
        return any(self._open.values())

    def next(self) -> pytest.Item | None:
        """The check to begin now, once; None while there is none."""
        for place, item in enumerate(self._waiting):
            if not any(self._open[need] for need in self._needs[_requirement(item)]):
                return self._waiting.pop(place)
        return None

    def is_pointless(self, item: pytest.Item) -> bool:
        """Whether something that its requirement needs is not met; in a brief run, whether that is itself decided."""
        requirement = _requirement(item)
        decided = self._brief and requirement in self._unmet
        return decided or not self._lost.isdisjoint(self._needs[requirement])

    def ended(self, item: pytest.Item, outcome: Outcome) -> None:
        requirement = _requirement(item)
        self._open[requirement] -= 1
        if outcome != "met":
            self._lost.add(requirement)
        if outcome == "unmet":
            self._unmet.add(requirement)


def _let_go(error: BaseException | None) -> None:
    """Free what the frames of an error hold: they lie in cycles, and a recording of a disk has hundreds of MiB."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


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
