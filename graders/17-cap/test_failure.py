"""What the replicas do when the network is cut, messages are lost, and replicas crash."""

from kata.grading import check, examples, settle
from model import CONVERGE_SECONDS, SETTLE_SECONDS, Causality, Faults, at, context_at, ended, failed_with, schedules
from model import values_of


@check("minority")
def test_a_minority_is_unavailable(cp, clock):
    """A replica that is cut off raises Unavailable from get and from put, and the others go on."""
    cp["n1"].put("seat", b"ada")
    with cp.net.partition({"n3"}, {"n1", "n2"}):
        clock.advance(SETTLE_SECONDS)
        cp["n2"].put("seat", b"bob")
        calls = ended(clock, [cp["n3"].get.start("seat"), cp["n3"].put.start("seat", b"eve")])
        assert [failed_with(call) for call in calls] == ["Unavailable"] * 2, "what get and put raise at n3"
        assert at(cp, "seat", "n1", "n2") == [[b"bob"]] * 2
