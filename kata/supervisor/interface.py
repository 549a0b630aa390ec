"""What the stub says of its classes: who awaits their methods, and which of them give objects of another one."""

from __future__ import annotations

import ast
from typing import NamedTuple


class Signature(NamedTuple):
    """How something of the interface is called, as far as a caller has to know."""

    awaited: bool | None = None
    """Whether it is `async def`; None: either will do."""
    gives: str = ""
    """The class of the interface whose methods will be called on what it gives; "" where that is data."""


def signatures(stub: bytes) -> dict[str, Signature]:
    """Of each class of the stub that has public methods, by its name, and of these, by `Class.method`."""
    methods = {
        kind.name: [
            method
            for method in kind.body
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_")
        ]
        for kind in ast.parse(stub).body
        if isinstance(kind, ast.ClassDef)
    }
    classes = {name for name, found in methods.items() if found}
    known = {name: Signature(gives=name) for name in classes}
    for name in classes:
        for method in methods[name]:
            told = ast.unparse(method.returns).strip("'\"") if method.returns is not None else ""
            gives = told if told in classes else ""
            known[f"{name}.{method.name}"] = Signature(isinstance(method, ast.AsyncFunctionDef), gives)
    return known
