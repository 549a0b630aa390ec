"""All that the author of a grader imports.

    from kata.grading import check, examples, raises, together
    from kata.grading.fakes import Store

Fixtures that every grader has: `world` (the run), `clock` (virtual time), `student` (the submission's module in a fresh
process). How to write a grader: docs/authors.md.
"""

from kata.grading.checks import check, examples
from kata.grading.fakes import pause, refuse, remote
from kata.grading.growth import growth
from kata.supervisor.failures import Inconclusive, StudentError
from kata.supervisor.proxies import Call, Object, named, raises, settle, together
from kata.supervisor.world import World

__all__ = [
    "Call",
    "Inconclusive",
    "Object",
    "StudentError",
    "World",
    "check",
    "examples",
    "growth",
    "named",
    "pause",
    "raises",
    "refuse",
    "remote",
    "settle",
    "together",
]
