from __future__ import annotations

from kata.grading import check, raises


@check("refuses")
def test_refuses_a_negative_amount(counter):
    """A negative amount is refused with ValueError, and changes nothing."""
    counter.add(5)
    with raises("ValueError"):
        counter.add(-2)
    assert counter.add(1) == 6
