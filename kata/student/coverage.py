"""Which lines of the submission were run. Informational: it is measured in the student's own process."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import coverage
from coverage import collector
from coverage.collector import Collector

from kata.student import host

# It would look through all sources for who made a collector: 80 ms in every zygote, for debugging coverage itself.
vars(collector)["short_stack"] = lambda: ""

_SUBMISSION = f"/{host.FOLDER}/"
"""In the path of every file of a submission, and of no other."""
_TYPICAL = """
import asyncio, collections, dataclasses, enum, functools, typing
class A(typing.NamedTuple):
    a: int
@dataclasses.dataclass(frozen=True)
class B:
    b: typing.Generic
class C(enum.Enum):
    C = 1
collections.OrderedDict(), collections.defaultdict(list), asyncio.Lock(), functools.lru_cache(int)
"""


class Tracer:
    """Made once in the zygote and asleep there, so that a forked child wakes it and pays nothing for its making."""

    def __init__(self) -> None:
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[f"*{_SUBMISSION}*"], messages=False
        )
        self._coverage.set_option("run:core", "ctrace")
        self._decide_for(f"{_SUBMISSION}typical.py", _TYPICAL)
        decide = self._coverage._should_trace
        unwanted = decide("<unwanted>", sys._getframe())

        def should_trace(name: str, frame: FrameType) -> Any:
            """For files that come later. Its own way first looks at all that sys.path holds, which a child changes."""
            return decide(name, frame) if _SUBMISSION in name else unwanted

        self._collector().should_trace = should_trace

    def wake(self) -> None:
        """Trace from here on, in this thread and in those that begin later."""
        self._coverage.start()

    def expect(self, path: str) -> None:
        """A submission's file of that path will be run: decide for it here, and not in every child."""
        self._decide_for(path, "")

    def _decide_for(self, path: str, code: str) -> None:
        """What is decided for the files that this code of that file runs through is remembered."""
        self.wake()
        exec(compile(code, path, "exec"), {})  # noqa: S102
        self._coverage.stop()
        self._executed().clear()

    def lines(self, path: str) -> list[int]:
        """Those that were run so far of the code that says that it came from `path`."""
        self._coverage.stop()
        return sorted(self._executed().get(path, ()))

    def statements(self, path: str) -> list[int]:
        """The lines of the file at `path` that could be run."""
        executable: list[int] = self._coverage.analysis2(path)[1]
        return executable

    def _executed(self) -> dict[str, set[int]]:
        """What the collector holds. `Coverage.get_data` would put it into a database first: 4 ms in every child."""
        return self._collector().data  # type: ignore[return-value]

    def _collector(self) -> Collector:
        assert self._coverage._collector is not None
        return self._coverage._collector
