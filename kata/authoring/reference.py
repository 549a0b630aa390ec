"""The toolkit's reference, drawn from the docstrings of all that graders may use, so that it can't drift."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

BEGIN = "<!-- Generated from docstrings: `KATA_UPDATE=1 pytest tests/test_docs.py` renews it. -->"
END = "<!-- The end of what is generated. -->"

MODULES = (
    "kata.grading",
    "kata.grading.fakes",
    "kata.grading.network",
    "kata.grading.cluster",
    "kata.grading.linearizability",
    "kata.grading.disk",
    "kata.grading.serializability",
    "kata.grading.websocket",
    "kata.grading.clients",
)
GIVEN = (
    (
        "world",
        "kata.supervisor.world",
        "World",
        ("student", "short_lived", "expose", "reset", "note", "fault", "after"),
    ),
    ("clock", "kata.supervisor.world", "Clock", ()),
    ("student", "kata.supervisor.proxies", "Module", ()),
    ("cache.get", "kata.supervisor.proxies", "Method", ()),
    ("cache.get.start(...)", "kata.supervisor.proxies", "Call", ("result", "cancel", "answered_at")),
)
"""What a grader writes; module and name of the class behind it; which methods graders use (none: all)."""

WRITTEN = {"__call__": "{}", "__getitem__": "[{}]", "__setitem__": "[{}] = {}", "__delitem__": "del [{}]"}
"""How a special method is written."""


def render() -> str:
    """The reference as Markdown, to stand between `BEGIN` and `END` in docs/authors.md."""
    shown: list[object] = []
    parts = ["### What a check is given"]
    for name, module, kind, only in GIVEN:
        value = getattr(importlib.import_module(module), kind)
        shown.append(value)
        parts.append(_class(name, value, only))
    for module in MODULES:
        parts.append(f"### `{module}`")
        for name, value in _public(module):
            if value not in shown:
                shown.append(value)
                parts.append(_class(_signed(name, value), value) if inspect.isclass(value) else _function(name, value))
    return "\n\n".join(parts) + "\n"


def renewed(document: str) -> str:
    """The document with a fresh reference between its marks. ValueError when it lacks them."""
    head, _, rest = document.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"the document must hold the line {BEGIN!r} and, below it, {END!r}")
    return f"{head}{BEGIN}\n\n{render()}\n{END}{tail}"


def _public(name: str) -> list[tuple[str, Any]]:
    """What a module offers, in the order of `__all__`, or else of its source."""
    module = importlib.import_module(name)
    own = [n for n, v in vars(module).items() if n[0].islower() or inspect.isclass(v)]
    names = getattr(module, "__all__", None) or [
        n for n in own if n[0] != "_" and getattr(vars(module)[n], "__module__", "") == name
    ]
    return [(n, getattr(module, n)) for n in names]


def _function(name: str, value: Any) -> str:
    return f"**`{_signed(name, value)}`** – {_doc(value)}"


def _class(title: str, kind: type, only: tuple[str, ...] = ()) -> str:
    members = [
        f"- `{_member(name, member)}`: {_doc(member, indent='  ')}"
        for name, member in _members(kind)
        if name in only or (not only and (name[0] != "_" or name in WRITTEN))
    ]
    return f"**`{title}`** – {_doc(kind)}" + ("\n\n" + "\n".join(members) if members else "")


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Functions and properties with a docstring, its own before inherited ones; of an exception none."""
    if issubclass(kind, BaseException):
        return
    for owner in kind.__mro__[:-1]:
        for name, member in vars(owner).items():
            if (inspect.isfunction(member) or isinstance(member, property)) and member.__doc__:
                yield name, member


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f".{name}"
    if name in WRITTEN and name != "__call__":
        return WRITTEN[name].format(*_parameters(member))
    if hasattr(member, "_kata_remote"):
        awaited = "await " if inspect.iscoroutinefunction(member) else ""
        return f"{awaited}{_signed(f'.{name}', member)}"
    return _signed("" if name == "__call__" else f".{name}", member)


def _parameters(value: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(value).parameters if name != "self"]


def _signed(name: str, value: Callable[..., Any] | type) -> str:
    """Name and parameters, without annotations: the docstring tells the types that matter."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return name  # raised by the toolkit, never made by a grader
    signature = inspect.signature(value)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    # A default that is a function is told by its address, which is another in each process.
    return re.sub(r"<function .*? at 0x[0-9a-f]+>", "…", f"{name}{bare}")


def _doc(value: object, indent: str = "") -> str:
    """The docstring as Markdown: paragraphs on one line, what is indented as code."""
    paragraphs = []
    for text in (inspect.getdoc(value) or "").split("\n\n"):
        lines = text.splitlines()
        if lines and all(line.startswith("    ") for line in lines):
            code = "\n".join(line.removeprefix("    ") for line in lines)
            paragraphs.append(f"```python\n{code}\n```")
        else:
            paragraphs.append(" ".join(text.split()))
    return f"\n\n{indent}".join(paragraphs)
