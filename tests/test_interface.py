"""What the stub says of its methods: how a submission's are called, and what stays with it."""

from __future__ import annotations

from textwrap import dedent

import pytest
from worlds import WorldOf

from kata.grading import StudentError
from kata.supervisor.interface import Signature, signatures

STUB = dedent('''
    from dataclasses import dataclass

    class Closed(Exception):
        """Has no methods."""

    @dataclass
    class Answer:
        yes: bool

    class Shop:
        def __init__(self, store):
            raise NotImplementedError

        def open(self) -> "Till":
            raise NotImplementedError

        async def ask(self) -> Answer:
            raise NotImplementedError

        def _look(self):
            raise NotImplementedError

    class Till:
        def sell(self, what: str) -> list[str]:
            raise NotImplementedError

        def other(self) -> Till:
            raise NotImplementedError
''').encode()


def test_signatures():
    assert signatures(STUB) == {
        "Shop": Signature(None, "Shop"),
        "Shop.open": Signature(False, "Till"),
        "Shop.ask": Signature(True, ""),
        "Till": Signature(None, "Till"),
        "Till.sell": Signature(False, ""),
        "Till.other": Signature(False, "Till"),
    }


RIGHT = """
    from dataclasses import dataclass, field

    @dataclass
    class Answer:
        yes: bool

    @dataclass
    class Receipts:
        sold: list = field(default_factory=list)

        def sell(self, what):
            self.sold.append(what)
            return self.sold

        def other(self):
            return Dict(self.sold)

    class Dict(dict):
        def __init__(self, sold):
            self.sold = sold

        def sell(self, what):
            return [*self.sold, what]

    class Shop:
        def open(self):
            return Receipts()

        async def ask(self):
            return Answer(True)
"""


def test_objects_of_the_interface_stay_whatever_they_are(world_of: WorldOf):
    """A transaction may be a dataclass, a dictionary, of any name: its methods are called where it is."""
    shop = world_of(RIGHT, interface=signatures(STUB)).student().Shop()
    till = shop.open()
    assert till.sell("bell") == ["bell"]
    assert till.sell("tyre") == ["bell", "tyre"]
    assert till.other().sell("rim") == ["bell", "tyre", "rim"]
    assert repr(till) == "till"
    assert shop.ask().yes is True


@pytest.mark.parametrize(
    ("right", "wrong", "call", "says"),
    [
        ("async def ask", "def ask", lambda shop: shop.ask(), "ask is awaited by its callers, and has answered Answer"),
        (
            "def open",
            "async def open",
            lambda shop: shop.open(),
            "open is not awaited by its callers, and has answered coroutine",
        ),
        ("def sell", "async def sell", lambda shop: shop.open().sell("bell"), "sell is not awaited"),
        ("def sell", "async def sell", lambda shop: shop.open().sell.each(["bell"]), "sell is not awaited"),
        (
            "def sell",
            "async def sell",
            lambda shop: shop.open().sell.each(["bell"], at_once=True),
            "sell is not awaited",
        ),
    ],
)
def test_a_method_is_called_as_the_stub_has_it(world_of: WorldOf, right, wrong, call, says):
    """Somebody who goes by the interface would have a coroutine for an answer, or await what can't be."""
    shop = world_of(RIGHT.replace(right, wrong, 1), interface=signatures(STUB)).student().Shop()
    with pytest.raises(StudentError, match=f"TypeError: {says}"):
        call(shop)


def test_without_a_stub_either_will_do(world_of: WorldOf):
    shop = world_of(RIGHT.replace("async def ask", "def ask")).student().Shop()
    assert shop.ask().yes is True
