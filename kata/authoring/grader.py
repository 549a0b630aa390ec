"""Reading a grader's code: which checks it has, what they judge, and whether they keep the house rules.

Only graders are read like this. A submission is judged by its calls, traffic and time, never by its source.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kata.authoring.findings import Finding, error, not_python, relative
from kata.authoring.papers import TEST_FILES, source_of, submissions_in
from kata.exercise import Exercise

WRONG_MIN = 6
RIGHT_MIN = 2
STATEMENTS_MAX = 15
"""Of one check; a ratchet, so a warning: set-up belongs in a fixture, a verdict in a named invariant."""

_FORBIDDEN_MODULES = {
    "ast": "reads source code",
    "http": "opens sockets",
    "inspect": "reads source code",
    "requests": "opens sockets",
    "socket": "opens sockets",
    "subprocess": "starts processes",
    "threading": "takes time out of the clock's hands",
    "time": "reads the machine's clock",
    "urllib": "opens sockets",
}
_FORBIDDEN_CALLS = {
    "open_connection": "opens a socket",
    "read_bytes": "reads a file",
    "read_text": "reads a file",
    "sleep": "sleeps",
    "start_server": "opens a socket",
}
_LOSES = re.compile(r"Loses: ([a-z0-9-]+(?:, [a-z0-9-]+)*)\.\s+(\S.*)", re.DOTALL)
_MAY_LOSE = re.compile(r"^May lose: ([a-z0-9-]+(?:, [a-z0-9-]+)*)\.?$", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One check as its source shows it."""

    name: str
    """Of its function."""
    requirement: str
    sentence: str
    """Its docstring's first paragraph on one line: what the student reads, and what reports call it by."""
    path: Path
    line: int


@dataclass(frozen=True)
class Losses:
    """What a wrong submission says of itself."""

    named: frozenset[str]
    allowed: frozenset[str]


def read_grader(exercise: Exercise) -> tuple[list[Check], list[Finding]]:
    """The grader's checks, and all that is wrong with its code and with how its submissions are described."""
    checks: list[Check] = []
    findings: list[Finding] = []
    for path in sorted(exercise.grader_folder.glob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as problem:
            findings.append(not_python(exercise, path, problem))
            continue
        findings += _rules(exercise, path, tree)
        if path.name in TEST_FILES:
            for function in _tests(tree):
                checks += _checks(path, function)
                findings += _judge_test(exercise, path, function)
    findings += _unjudged(exercise, checks)
    findings += _doubled(exercise, checks)
    findings += _described(exercise)
    return checks, findings


def read_losses(path: Path) -> Losses | None:
    """What a wrong submission's docstring says it loses; None when it doesn't say so in our form."""
    doc = _docstring(path)
    match = _LOSES.match(doc)
    if match is None:
        return None
    may = _MAY_LOSE.search(doc)
    return Losses(_ids(match[1]), _ids(may[1]) if may else frozenset())


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


def _docstring(path: Path) -> str:
    try:
        return ast.get_docstring(ast.parse(path.read_bytes())) or ""
    except (OSError, SyntaxError, ValueError):
        return ""


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node


def _judged(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """The requirement that `@check("...")` names; None when there is no such decorator."""
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="check"), args=[ast.Constant(value=str(requirement))]):
                return requirement
    return None


def _checks(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Check]:
    requirement = _judged(function)
    if requirement is None:
        return []
    return [Check(function.name, requirement, _sentence(function), path, function.lineno)]


def _sentence(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What the student reads: the docstring's first paragraph, on one line."""
    return " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split())


def _judge_test(exercise: Exercise, path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    requirement = _judged(function)
    if requirement is None:
        yield error(
            exercise,
            path,
            f"{function.name} judges no requirement.",
            'Write `@check("requirement-id")` above it, or take it away.',
            function.lineno,
        )
        return
    yield from _judge_category(exercise, path, function, requirement)
    if not _is_one_sentence(_sentence(function)):
        yield error(
            exercise,
            path,
            f"The docstring of {function.name} is not one sentence that ends in a full stop.",
            "Write one true sentence about a correct system: it is the line that the student reads.",
            function.lineno,
        )
    statements = sum(isinstance(node, ast.stmt) for part in function.body for node in ast.walk(part)) - 1
    if statements > STATEMENTS_MAX:
        yield Finding(
            severity="warning",
            file=relative(exercise, path),
            line=function.lineno,
            message=f"{function.name} has {statements} statements; at most {STATEMENTS_MAX} read well.",
            remedy="Move set-up into a fixture and the verdict into a named invariant.",
        )


def _judge_category(
    exercise: Exercise, path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef, requirement: str
) -> Iterator[Finding]:
    categories = {r.id: r.category for r in exercise.requirements}
    if requirement not in categories:
        yield error(
            exercise,
            path,
            f"{function.name} judges {requirement!r}, which exercise.toml does not have.",
            f"Use one of {', '.join(categories)}.",
            function.lineno,
        )
    elif categories[requirement] != TEST_FILES[path.name]:
        category = categories[requirement]
        yield error(
            exercise,
            path,
            f"{function.name} judges {requirement!r}, which is about {category}.",
            f"Move it to test_{category}.py.",
            function.lineno,
        )


def _is_one_sentence(text: str) -> bool:
    """A heuristic: it ends in a full stop, and no full stop before that is followed by a capital letter."""
    return text.endswith(".") and not re.search(r"[.!?] [A-Z]", text)


def _unjudged(exercise: Exercise, checks: list[Check]) -> Iterator[Finding]:
    judged = {check.requirement for check in checks}
    for requirement in exercise.requirements:
        if requirement.id not in judged:
            yield error(
                exercise,
                exercise.grader_folder / f"test_{requirement.category}.py",
                f"No check judges {requirement.id!r}.",
                "Write one, or take the requirement out of exercise.toml.",
            )


def _doubled(exercise: Exercise, checks: list[Check]) -> Iterator[Finding]:
    names = Counter((check.path, check.name) for check in checks)
    sentences = Counter(check.sentence for check in checks)
    for check in checks:
        if names[check.path, check.name] > 1:
            yield error(
                exercise,
                check.path,
                f"Two checks are named {check.name}: only the last is ever run.",
                "Rename one.",
                check.line,
            )
        if sentences[check.sentence] > 1:
            yield error(
                exercise,
                check.path,
                f"Another check has the same sentence as {check.name}: a student can't tell them apart.",
                "Say in each what only that one shows.",
                check.line,
            )


def _described(exercise: Exercise) -> Iterator[Finding]:
    """Whether there are enough wrong and right submissions, and each says what it is there for."""
    for role, least in (("wrong", WRONG_MIN), ("right", RIGHT_MIN)):
        folder = exercise.grader_folder / role
        submissions = submissions_in(folder, exercise.file)
        if len(submissions) < least:
            yield error(
                exercise,
                folder,
                f"It has {len(submissions)} submissions, and at least {least} are needed.",
                "Add plausible ones, each of another design.",
            )
        for path in submissions:
            source = source_of(path, exercise.file)
            yield from _losses(exercise, source) if role == "wrong" else _design(exercise, source)


def _design(exercise: Exercise, source: Path) -> Iterator[Finding]:
    if not _docstring(source):
        yield error(exercise, source, "It does not say what its design is.", "Begin it with a docstring that does.")


def _losses(exercise: Exercise, source: Path) -> Iterator[Finding]:
    losses = read_losses(source)
    if losses is None:
        yield error(
            exercise,
            source,
            "Its docstring does not say what it loses.",
            'Begin it with `"""Loses: requirement-id. Why."""`; `May lose: ...` can follow on a line.',
        )
        return
    known = {requirement.id for requirement in exercise.requirements}
    for unknown in sorted((losses.named | losses.allowed) - known):
        yield error(
            exercise,
            source,
            f"It names {unknown!r}, which exercise.toml does not have.",
            f"Use some of {', '.join(sorted(known))}.",
        )


def _rules(exercise: Exercise, path: Path, tree: ast.Module) -> Iterator[Finding]:
    """No sleep, no socket, no source, no chance that the seed doesn't decide."""
    for node in ast.walk(tree):
        for name, why in _offences(node):
            yield error(
                exercise,
                path,
                f"`{name}` {why}.",
                "Move time with `clock`, draw chance from `world.random`, judge by calls (docs/authors.md).",
                getattr(node, "lineno", None),
            )


def _offences(node: ast.AST) -> list[tuple[str, str]]:
    match node:
        case ast.Import():
            modules = [alias.name.partition(".")[0] for alias in node.names]
        case ast.ImportFrom(module=str(module)):
            modules = [module.partition(".")[0]]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="random"), attr=name)) if name != "Random":
            return [(f"random.{name}", "is not drawn from the run's seed")]
        case ast.Call(func=ast.Name(id="open")):  # but `disk.open(...)` is a fake's
            return [("open", "opens a file")]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _FORBIDDEN_CALLS:
            return [(name, _FORBIDDEN_CALLS[name])]
        case _:
            return []
    return [(module, _FORBIDDEN_MODULES[module]) for module in modules if module in _FORBIDDEN_MODULES]
