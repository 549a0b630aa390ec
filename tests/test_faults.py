"""Faults of the host, a few times each; `python -m tests.faults` does it a hundred times."""

from __future__ import annotations

import pytest
from faults import kill_at_random


@pytest.mark.slow
@pytest.mark.parametrize(
    "sandbox",
    [
        "process",
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_a_killed_kata_is_swept_up_after(request: pytest.FixtureRequest, sandbox: str) -> None:
    if sandbox == "docker":
        request.getfixturevalue("docker_image")
    assert list(kill_at_random(sandbox, times=4, seed=20_261, sweep_every=2)) == []
