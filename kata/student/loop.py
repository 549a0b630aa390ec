"""asyncio in lockstep: an ordinary event loop whose selector asks the supervisor what happens next.

`select(timeout)` is the one place where a loop would sleep. Where nothing can run now, it gives the turn to the
supervisor: "idle, the next timer is due then". What comes back are the clock's new time and new work.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

from kata.student import clock

Result = TypeVar("Result")

_TICK = 1e-9
"""Seconds: the virtual clock counts whole nanoseconds."""


class LockstepSelector(selectors.DefaultSelector):
    """A selector that gives the turn away where an ordinary one would sleep.

    `give_turn(timeout_seconds)` returns once there is new work or the clock has moved; `is_busy()` tells whether a
    thread still works for the loop, in which case nothing is idle and the loop waits for it in real time.
    """

    def __init__(self, give_turn: Callable[[float | None], None], is_busy: Callable[[], bool]) -> None:
        super().__init__()
        self._give_turn = give_turn
        self._is_busy = is_busy

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._is_busy():
            return super().select(None)
        self._give_turn(timeout)
        return []


class LockstepLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Executor jobs count as work until their result has reached the loop."""

    def __init__(self, give_turn: Callable[[float | None], None]) -> None:
        super().__init__(LockstepSelector(give_turn, self.is_busy))
        self._jobs = 0
        self._has_executor = False

    @property
    def _clock_resolution(self) -> float:
        """So early asyncio runs a timer: enough for the rounding of its moment, and less than any timer waits.

        After 48 days two neighbouring readings of a clock in floating point are further apart than half a tick.
        """
        return max(_TICK / 2, math.ulp(self.time()))

    @_clock_resolution.setter
    def _clock_resolution(self, _seconds: float) -> None:
        """asyncio would set that of the real clock."""

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        self._has_executor = True
        super().set_default_executor(executor)

    def time(self) -> float:
        return clock.monotonic()

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's, but whoever waits for a part of a tick waits for a whole one.

        A timer that ran at once would leave the clock where it is, and who waits again for what is left, for ever.
        """
        now = self.time()
        return super().call_at(max(when, now + _TICK) if when > now else when, callback, *args, context=context)

    def is_busy(self) -> bool:
        """Whether a thread is at work on something that the loop waits for."""
        return self._jobs > 0

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        if executor is None and not self._has_executor:
            # os.cpu_count() would tell the machine's size, and may exceed the limit on threads.
            self.set_default_executor(ThreadPoolExecutor(max_workers=8))
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_ended)
        return future

    def _job_ended(self, _future: asyncio.Future[Any]) -> None:
        self._jobs -= 1

    def wait_in_thread(self, begin: Callable[[Callable[[], None]], object]) -> None:
        """Block the calling worker thread until `begin`, run in the loop, has called what it was given.

        Meanwhile the thread does not count as busy, so that virtual time can pass.
        """
        ended = threading.Event()

        def resume() -> None:
            self._jobs += 1
            ended.set()

        def start() -> None:
            self._jobs -= 1
            begin(resume)

        self.call_soon_threadsafe(start)
        ended.wait()
