"""A submission, not a test: the reference, of whose answers some part is odd now and then, and that asks odd questions.

`test_attacks.py` hands it in as an exercise's main file, with the reference beside it as `right.py`. What is odd, and
when, comes from `random`, which is seeded in a student process.
"""

import contextlib
import dataclasses
import functools
import inspect
import random

import right  # type: ignore[import-not-found]

ANSWERS, QUESTIONS = 0.02, 0.02
"""How often one is odd."""


class Everything:
    """Has whatever is asked for, and can be called."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **named: self


@dataclasses.dataclass
class Odd:
    items: object = None
    type: object = 1
    code: object = "x"


def odd():
    """Something that hardly anybody expects."""
    numbers = [True, -1, 0, 10**400, 1e308, float("nan"), float("inf"), float("-inf")]
    texts = ["", "x", "\0\ud800", b"", b"x", b"x" * 5_000]
    collections = [[], [[]], [None, 1, "x"], (), (b"x", None), {}, {"x": []}, {1: 2}, set(), frozenset({b"x"})]
    objects = [None, ValueError("x"), Odd(), Odd(Everything(), [], {}), Everything(), print, type]
    return random.choice([*numbers, *texts, *collections, *objects])


def changed(value):
    """The value with some part of it odd, or all of it."""
    if random.random() < 0.3:
        return odd()
    if isinstance(value, list | tuple) and value:
        at = random.randrange(len(value))
        parts = [*value[:at], changed(value[at]), *value[at + 1 :]]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict) and value:
        return value | {random.choice(list(value)): odd()}
    if dataclasses.is_dataclass(value) and (fields := dataclasses.fields(value)):
        spoiled = object.__new__(type(value))
        at = random.choice(fields).name
        for field in fields:
            old = getattr(value, field.name)
            object.__setattr__(spoiled, field.name, changed(old) if field.name == at else old)
        return spoiled
    return odd()


def spoiled(answer):
    if type(answer).__module__ == "right" and not dataclasses.is_dataclass(answer):
        return NearlyRight(answer)
    return changed(answer) if random.random() < ANSWERS else answer


class NearlyRight:
    """An object of the reference."""

    def __init__(self, made):
        self._right = made

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._right, name)

        def call(*values, **named):
            answer = method(*map(curious, values), **{key: curious(value) for key, value in named.items()})
            return later(answer) if inspect.isawaitable(answer) else spoiled(answer)

        return call


async def later(answer):
    return spoiled(await answer)


def curious(value):
    """What asks the grader's objects for more than the reference does; other values as they are."""
    return Curious(value) if type(value).__name__ == "Remote" else value


class Curious:
    """One of the grader's objects: some of its calls are made once more before, with odd arguments."""

    def __init__(self, remote):
        self._remote = remote

    def __getattr__(self, name):
        method = getattr(self._remote, name)

        async def ask(*values, **named):
            if random.random() < QUESTIONS:
                with contextlib.suppress(Exception):
                    await method(*changed(values or [1]), **named)
            return await method(*values, **named)

        def say(*values, **named):
            if random.random() < QUESTIONS:
                with contextlib.suppress(Exception):
                    method(*changed(values or [1]), **named)
            return method(*values, **named)

        return functools.partial(ask if inspect.iscoroutinefunction(method) else say)


def made_by(kind):
    """A class whose objects are the reference's."""

    class Made(NearlyRight):
        def __init__(self, *values, **named):
            super().__init__(kind(*map(curious, values), **{key: curious(value) for key, value in named.items()}))

    return Made


for name, kind in list(vars(right).items()):
    if isinstance(kind, type) and kind.__module__ == "right" and not name.startswith("_"):
        is_plain = issubclass(kind, Exception | tuple) or dataclasses.is_dataclass(kind)
        globals()[name] = kind if is_plain else made_by(kind)
