"""What parses hostile data, tried on inputs that nobody thought of: whole ones, mutated, cut, joined and random."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import reports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

QUICK = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
SLOW = settings(QUICK, max_examples=40)
EXAMPLES = dict.fromkeys(
    ("student_frames", "submission_folders", "archives", "gradescope_metadata", "exercise_metadata"), QUICK
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)),
    min_size=0,
    max_size=6,
)


def edited(seed: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """The seed with some of its bytes replaced: at which share of its length, how many, by what."""
    for share, count, new in edits:
        at = int(share * len(seed))
        seed = seed[:at] + new + seed[at + count :]
    return seed


@pytest.mark.parametrize("target", TARGETS)
def test_whole_inputs(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_with_some_bytes_changed(target: str) -> None:
    known = seeds(target)

    @EXAMPLES.get(target, SLOW)
    @given(st.sampled_from(known), EDITS)
    def attempt(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
        TARGETS[target](edited(seed, edits))

    attempt()


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(reports.HOSTILE).filter(lambda text: text.isprintable() or "\n" in text)
    | st.just([])
    | st.just({})
    | st.text("x", min_size=1).map(lambda text: text * 3_000)
)


def replaced(value: Any, choose: Callable[[int], int], leaf: Any) -> Any:
    """The structure with one of its leaves replaced, found by going down at random."""
    if not isinstance(value, list | dict) or not value:
        return leaf
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[choose(len(keys))]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(copy[key], choose, leaf)
    return copy


@pytest.mark.parametrize(("target", "coder"), [("student_frames", msgspec.msgpack), ("json_reports", msgspec.json)])
def test_inputs_with_some_values_changed(target: str, coder: Any) -> None:
    known = seeds(target)

    @EXAMPLES.get(target, SLOW)
    @given(st.sampled_from(known), st.data(), st.integers(1, 3))
    def attempt(seed: bytes, data: st.DataObject, times: int) -> None:
        value = coder.decode(seed)
        for _ in range(times):
            value = replaced(value, lambda count: data.draw(st.integers(0, count - 1)), data.draw(LEAVES))
        TARGETS[target](coder.encode(value))

    attempt()


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_of_any_bytes(target: str) -> None:
    @EXAMPLES.get(target, SLOW)
    @given(st.binary(max_size=400))
    def attempt(data: bytes) -> None:
        TARGETS[target](data)

    attempt()


def test_the_tool_says_what_it_needs() -> None:
    for arguments, said in (([], "Usage: "), (["no_such_target"], "where TARGET is one of student_frames")):
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert said in done.stderr
