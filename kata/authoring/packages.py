"""Packages that an exercise's own submissions are built on travel with them: no sandbox has them, and none should.

A student has the standard library alone. `right/` may hold one built on a well-known package, to show that the grader
accepts its design; for `kata dev check` its pure-Python files are handed in beside it.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from kata.submission import Submission


def with_packages(submission: Submission) -> Submission:
    """The submission, and beside it the installed packages that it imports, and those that they import in turn.

    What isn't installed is left out: the submission then fails to load, and says what it lacks.
    """
    files = dict(submission.files)
    present = {name.partition("/")[0].removesuffix(".py") for name in files}
    waiting = list(files.values())
    while waiting:
        for name in _imported(waiting.pop()) - present - sys.stdlib_module_names:
            present.add(name)
            found = dict(_source_files(name))
            files.update(found)
            waiting.extend(found.values())
    return Submission(submission.name, files)


def _imported(source: bytes) -> set[str]:
    """Top-level names of the modules that a source imports at its own top level."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in body if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}


def _source_files(name: str) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    if not spec.submodule_search_locations:
        if spec.origin and spec.origin.endswith(".py"):
            yield f"{name}.py", Path(spec.origin).read_bytes()
        return
    for location in map(Path, spec.submodule_search_locations):
        for path in sorted(location.rglob("*.py")):
            yield f"{name}/{path.relative_to(location).as_posix()}", path.read_bytes()
