"""Packages that an exercise's own submissions are built on travel with them: no sandbox has them, and none should.

A student has the standard library alone. `right/` may hold one built on a well-known package, to show that the grader
accepts its design; for `kata dev check` its pure-Python distribution is handed in beside it.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from kata.submission import Submission

_LEFT_BEHIND = {".so", ".pyd", ".dll", ".dylib", ".pyc", ".pyi"}


def with_packages(submission: Submission) -> Submission:
    """The submission, and beside it the installed packages that it imports, and those that they require in turn.

    What isn't installed is left out: the submission then fails to load, and says what it lacks.
    """
    files = dict(submission.files)
    own = {name.partition("/")[0].removesuffix(".py") for name in files}
    imported = set().union(*map(_imported, files.values())) - own - sys.stdlib_module_names
    if not imported:
        return submission
    owners = metadata.packages_distributions()
    for name in imported:
        for distribution in owners.get(name, ()):
            files.update(_files_with_requirements(distribution, set()))
        if name not in owners:
            files.update(_loose_module(name))
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


def _files_with_requirements(name: str, seen: set[str]) -> Iterator[tuple[str, bytes]]:
    """What an installed distribution consists of, and likewise what it can't do without; no extras."""
    if name.lower() in seen:
        return
    seen.add(name.lower())
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    for path in distribution.files or ():
        if _travels(path):
            yield from _with_bytecode(path.as_posix(), Path(str(distribution.locate_file(path))).read_bytes())
    for requirement in distribution.requires or ():
        required = re.match(r"[\w.-]+", requirement)
        if required and "extra ==" not in requirement:
            yield from _files_with_requirements(required[0], seen)


def _travels(path: PurePosixPath) -> bool:
    top = path.parts[0]
    return top != ".." and not top.endswith((".dist-info", ".egg-info")) and path.suffix not in _LEFT_BEHIND


def _with_bytecode(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file; of a module also what this Python compiles it to, which every process would do anew. Others ignore it."""
    yield name, content
    if not name.endswith(".py"):
        return
    try:
        code = compile(content, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return
    # PEP 552: a hash-based file whose source is not compared.
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(content)
    yield importlib.util.cache_from_source(name), header + marshal.dumps(code)


def _loose_module(name: str) -> Iterator[tuple[str, bytes]]:
    """A module that belongs to no distribution: a file on the path."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin and spec.origin.endswith(f"{name}.py"):
        yield f"{name}.py", Path(spec.origin).read_bytes()
