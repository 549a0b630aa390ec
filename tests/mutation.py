"""Which small changes of a reference solution go unnoticed by its grader: mutation testing with cosmic-ray.

    pip install cosmic-ray
    python -m tests.mutation 15-caching [--jobs 2] [--seed 1]

Cosmic-ray's operators, and each statement left out. A mutant is graded in `process`, and is killed as soon as one
check is unmet. What survives is printed at once, as a diff with a number: either a check is missing, or the mutant is a
correct program and belongs into graders/NN/SURVIVORS.md, with the reason. `--only 3 17` grades these numbers again.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import itertools
import pickle
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator, operator_names

from kata.authoring.packages import with_packages
from kata.catalog import Catalog
from kata.exercise import Exercise
from kata.grade import grade
from kata.protocol import Event, Finished
from kata.sandbox.process import ProcessLauncher
from kata.submission import Submission

NOISE = re.compile(
    # Each comparison and each arithmetic operator is replaced by its near neighbours; all others are further off.
    r"ReplaceComparisonOperator_(?!(Eq_NotEq|NotEq_Eq|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt|Is_IsNot|IsNot_Is)$)"
    r"|ReplaceBinaryOperator_(?!(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Div|Mod_Mul|BitOr_BitAnd|BitAnd_BitOr|LShift_RShift|RShift_LShift)$)"
    r"|VariableReplacer|VariableInserter"
)


class Mutant(NamedTuple):
    operator: str
    source: str
    diff: str


class _Killed(Exception):
    """One unmet check is enough."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("exercise")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="mutants by number, to look at again")
    options = parser.parse_args()
    exercise = Catalog().find(options.exercise)
    source = (exercise.solution_folder / exercise.file).read_text("utf-8")
    mutants = list(enumerate(mutants_of(source), 1))
    if options.only:
        mutants = [mutants[number - 1] for number in options.only]
    fates: Counter[str] = Counter()
    with ThreadPoolExecutor(options.jobs) as pool:
        graded = {
            pool.submit(_fate, exercise, mutant.source, options.seed): (number, mutant) for number, mutant in mutants
        }
        for done in as_completed(graded):
            number, mutant = graded[done]
            fates[done.result()] += 1
            if done.result() != "killed":
                print(f"\n{number}: {mutant.operator} {done.result()}\n{mutant.diff}", flush=True)
            print(f"{fates.total()} of {len(mutants)}", end="\r", file=sys.stderr)
    print(
        f"\n{len(mutants)} mutants, {fates['killed']} killed, {fates['survived']} survived, "
        f"{fates['inconclusive']} inconclusive"
    )


def mutants_of(source: str) -> Iterator[Mutant]:
    """Each program that differs from the source by one operator or statement, once; annotations make no difference."""
    seen = {_meaning(source)}
    for operator, changed in itertools.chain(_with_another_operator(source), _without_a_statement(source)):
        meaning = _meaning(changed)
        if meaning not in seen:
            seen.add(meaning)
            yield Mutant(operator, changed, _difference(source, changed))


def _with_another_operator(source: str) -> Iterator[tuple[str, str]]:
    tree = pickle.dumps(get_ast(source))  # walking changes it, and parsing anew would take minutes
    for name in operator_names():
        if NOISE.search(name):
            continue
        for occurrence in itertools.count():
            visitor = MutationVisitor(occurrence, get_operator(name)())
            changed = visitor.walk(pickle.loads(tree))
            if not visitor.mutation_applied:
                break
            yield name.removeprefix("core/"), changed.get_code()


def _without_a_statement(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines(keepends=True)
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    inside = {
        statement for function in functions for statement in ast.walk(function) if isinstance(statement, ast.stmt)
    }
    for statement in sorted(inside, key=lambda node: node.lineno):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Pass) or _is_docstring(statement):
            continue
        first, last = statement.lineno - 1, statement.end_lineno
        if not lines[first][: statement.col_offset].strip():
            yield "LeaveOut", "".join([*lines[:first], " " * statement.col_offset + "pass\n", *lines[last:]])


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _meaning(source: str) -> str:
    """The program without what it does not run by; the source itself where it is none any more."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return "\n".join(list(lines)[2:])


def _fate(exercise: Exercise, source: str, seed: int) -> str:
    def stop_when_unmet(event: Event) -> None:
        if isinstance(event, Finished) and event.result.outcome == "unmet":
            raise _Killed

    submission = with_packages(Submission(name="mutant", files={exercise.file: source.encode()}))
    try:
        report = grade(exercise, submission, ProcessLauncher(), seed=seed, coverage=False, on_event=stop_when_unmet)
    except _Killed:
        return "killed"
    return {"met": "survived", "unmet": "killed"}.get(report.outcome, "inconclusive")


if __name__ == "__main__":
    main()
