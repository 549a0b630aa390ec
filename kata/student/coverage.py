"""Which lines of the submission were run. Informational: it is measured in the student's own process."""

from __future__ import annotations

import importlib.util

import coverage

import kata
from kata.wire import Lines

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
    """Started once in the zygote, so that a forked child is already being traced and pays nothing for it."""

    def __init__(self) -> None:
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=["*/submission/*"], messages=False
        )
        self._coverage.start()
        self._warm_up()

    def _warm_up(self) -> None:
        """Here once, and not in every child: decide for the files that an import runs through, and open the store."""
        spec = importlib.util.spec_from_file_location("warm", kata.__file__)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        exec(compile(_TYPICAL, "/submission/warm.py", "exec"), {})  # noqa: S102
        self._coverage.get_data()

    def stop(self) -> None:
        self._coverage.stop()

    def lines(self, directory: str, files: list[str], statements: bool) -> list[Lines]:
        """What was run so far; with `statements` also which lines could have been."""
        self._coverage.stop()
        data = self._coverage.get_data()
        result = []
        for name in files:
            path = f"{directory}/{name}"
            executable = self._coverage.analysis2(path)[1] if statements else []
            result.append(Lines(name, executable, sorted(data.lines(path) or [])))
        return result
