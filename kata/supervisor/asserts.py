"""`assert` in a grader: an import hook turns it into a call of `compare` or `hold`, which say what was got.

pytest's own rewriting is off. It formats whatever it compares, without limits, and a submission chooses what that is.
Ours evaluates each side once, in order, and shows both through `kata.wire.shown`.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from kata.supervisor.failures import CheckFailed, failed
from kata.supervisor.proxies import Call, Object
from kata.supervisor.world import World
from kata.wire import Record, shown

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
_COMPARE: dict[str, tuple[Callable[[Any, Any], object], str]] = {
    "==": (operator.eq, "{}"),
    "!=": (operator.ne, "anything but {}"),
    "<": (operator.lt, "less than {}"),
    "<=": (operator.le, "at most {}"),
    ">": (operator.gt, "more than {}"),
    ">=": (operator.ge, "at least {}"),
    "in": (lambda left, right: left in right, "one of {}"),
    "not in": (lambda left, right: left not in right, "none of {}"),
    "is": (operator.is_, "{}"),
    "is not": (operator.is_not, "anything but {}"),
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_PREFIX = "__kata_"

_world: World | None = None


def watch(world: World) -> None:
    """Assertions are about the calls of this world from now on."""
    global _world
    _world = world


def compare(left: object, sign: str, right: object, subject: Callable[[], object] | None) -> None:
    """`assert left <sign> right, subject`: left is what was got, right what a correct system gives."""
    if sign == "in" and isinstance(right, list) and len(right) == 1:
        sign, right = "==", right[0]  # to be one of one is to be that
    function, wording = _COMPARE[sign]
    try:
        holds = bool(function(left, right))
    except TypeError:
        holds = False  # what came is of a kind that can't even be compared
    if not holds:
        raise _wrong(left, wording.format(shown(right)), right if sign == "==" else None, subject)


def belong(value: object, kinds: Any, subject: Callable[[], object] | None) -> None:
    """`assert isinstance(value, kinds), subject`."""
    if not isinstance(value, kinds):
        several = kinds if isinstance(kinds, tuple) else getattr(kinds, "__args__", (kinds,))
        names = " or ".join("object with methods" if kind is Object else kind.__name__ for kind in several)
        raise _wrong(value, f"something of type {names}", None, subject)


def hold(value: object, subject: Callable[[], object] | None) -> None:
    """`assert value, subject` for anything that isn't a comparison."""
    if not value:
        raise _wrong(value, "something true", None, subject)


def _wrong(got: object, expected: str, right: object, subject: Callable[[], object] | None) -> CheckFailed:
    said = str(subject()) if subject is not None else ""
    call, position = _call_behind(got, right)
    if said:
        said = said[:1].upper() + said[1:]
    elif call is not None and call.entry is not None:
        if position is not None and isinstance(got, list) and isinstance(right, list | tuple):
            got, right = got[position], right[position]
            expected = shown(right)
        call.entry.expected = expected
        said = call.doing()
    return failed(
        "wrong-answer",
        f"{said or 'What came'}: expected {expected}, got {shown(got)}.",
        expected=expected,
        got=shown(got),
        advice=_kinds(got, right),
    )


def _kinds(got: object, right: object) -> str:
    """A word on types, where they are what differs: `'v1'` is easily taken for `b'v1'`."""
    if got is None or right is None or isinstance(got, type(right)) or isinstance(right, type(got)):
        return ""
    if isinstance(got, int | float) and isinstance(right, int | float):
        return ""  # 4 and 4.0 are equal: it is the value that differs
    one, other = _kind(got), _kind(right)
    return f"It is of type {one}, and {other} is what is expected." if one and other else ""


def _kind(value: object) -> str:
    """The name that a type has for a learner; "" for a type of ours."""
    if isinstance(value, Record):
        return repr(value).partition("(")[0]
    return type(value).__name__ if type(value).__module__ == "builtins" else ""


def _call_behind(got: object, right: object) -> tuple[Call | None, int | None]:
    """The call whose answer is being judged; of a joint answer, the first call that answered wrongly."""
    if _world is None:
        return None, None
    results, calls = _world.joint
    if got is results and isinstance(right, list | tuple) and len(right) == len(calls):
        for index, (value, wanted) in enumerate(zip(results, right, strict=True)):
            if value != wanted:
                return calls[index], index
    return _world.call_that_gave(got), None


class _Rewriter(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        # No statement stands inside an expression.
        return node if isinstance(node, ast.expr) else super().visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.stmt | list[ast.stmt]:
        test = node.test
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return [self._call(value, node) for value in test.values]
        if isinstance(test, ast.Compare) and len(test.ops) > 1:
            return [self._call(pair, node) for pair in _pairs(test)]
        return self._call(test, node)

    def _call(self, test: ast.expr, node: ast.Assert) -> ast.stmt:
        subject: ast.expr = ast.Constant(None)
        if node.msg is not None:
            no_arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
            subject = ast.Lambda(args=no_arguments, body=node.msg)
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            sign = ast.Constant(_OPERATORS[type(test.ops[0])])
            name, arguments = "compare", [test.left, sign, test.comparators[0], subject]
        elif isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance":
            name, arguments = "belong", [*test.args, subject]
        else:
            name, arguments = "hold", [test, subject]
        call = ast.Call(func=ast.Name(f"{_PREFIX}{name}", ast.Load()), args=arguments, keywords=[])
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), node))


def _pairs(chain: ast.Compare) -> Iterator[ast.Compare]:
    """`0 < value < 5` as `value > 0` and `value < 5`: what was got stands on the left, and is evaluated for each."""
    operands = [chain.left, *chain.comparators]
    for left, sign, right in zip(operands, chain.ops, operands[1:], strict=False):
        mirrored = _MIRRORED.get(type(sign))
        if mirrored is not None and isinstance(left, ast.Constant):
            yield ast.Compare(right, [mirrored()], [left])
        else:
            yield ast.Compare(left, [sign], [right])


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path)
        return compile(_Rewriter().visit(ast.parse(source)), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[f"{_PREFIX}compare"] = compare
        vars(module)[f"{_PREFIX}belong"] = belong
        vars(module)[f"{_PREFIX}hold"] = hold
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._folder / f"{fullname}.py"
        if "." in fullname or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, str(file)))


def install(folder: Path) -> None:
    """From now on, the modules of that folder are imported with their assertions rewritten."""
    sys.meta_path.insert(0, _Finder(folder))
