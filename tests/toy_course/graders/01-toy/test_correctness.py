from __future__ import annotations

from kata.grading import check


@check("counts")
def test_adds_up(counter):
    """Each add answers the sum of all amounts so far."""
    assert counter.add(3) == 3
    assert counter.add(4) == 7
