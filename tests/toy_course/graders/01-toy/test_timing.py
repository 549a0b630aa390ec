from __future__ import annotations

from kata.grading import check


@check("bulk")
def test_a_thousand_adds_take_no_time(counter, clock):
    """A thousand adds take no virtual time."""
    assert counter.add.each([2] * 1000)[-1] == 2000, "the last sum"
    assert clock.now == 0, "virtual seconds"
