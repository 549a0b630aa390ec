"""The rules of the house that a machine can check. Each message holds the remedy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kata.authoring.grader import read_grader
from kata.authoring.papers import CACHES, read_papers
from kata.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(path for path in (ROOT / "kata").rglob("*.py") if "content" not in path.parts)
TREES = ("exercises", "graders", "solutions")
ROOM = {path: path.relative_to(ROOT / "kata").parts[0] for path in CODE}
"""For each file of the package the folder (or file) of `kata/` that it stands in."""

HEAVY = ("coverage", "distributed", "docker", "hypothesis", "jinja2", "pytest", "rich", "watchfiles", "websockets")
FUNCTION_STATEMENTS_MAX = 40
"""A ratchet: lower it when the longest function gets shorter, never raise it."""

LINK_HOSTS = {
    "click.palletsprojects.com",
    "cs50.readthedocs.io",
    "distributed.dask.org",
    "docs.docker.com",
    "docs.kernel.org",
    "docs.pytest.org",
    "docs.python.org",
    "gradescope-autograders.readthedocs.io",
    "gvisor.dev",
    "hypothesis.readthedocs.io",
    "jobqueue.dask.org",
    "json-schema.org",
    "keepachangelog.com",
    "kubernetes.dask.org",
    "man7.org",
    "no-color.org",
    "peps.python.org",
    "semver.org",
    "www.rfc-editor.org",
    "www.sqlite.org",
    "www.w3.org",
}
"""Hosts that a link in our own text may lead to: documentation, never a registry, an index or a mirror."""


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def importing(module: str, *, allowed: set[str]) -> list[str]:
    """Where `module` or something in it is imported outside the allowed rooms and files of `kata/`."""
    return [
        place(path, line)
        for path in CODE
        if ROOM[path] not in allowed and path.relative_to(ROOT / "kata").as_posix() not in allowed
        for line, name in imports(parsed(path))
        if name == module or name.startswith(f"{module}.")
    ]


def text_files() -> list[Path]:
    """Everything of ours that is text: the package, the content, the tests, the documents."""
    folders = ["kata", "tests", "docs", ".ci", *TREES]
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    found += [path for path in ROOT.iterdir() if path.is_file() and path.suffix in (".md", ".toml")]
    return [path for path in found if not CACHES & set(path.parts) and path.suffix != ".png"]


# Where a thing may be done


def test_only_the_command_line_prints_or_exits() -> None:
    # What runs as a process of its own inside a sandbox ends that process, and speaks on its own channel.
    processes = {"cli", "supervisor", "student", "__main__.py"}
    found = []
    for path in CODE:
        if ROOM[path] in processes:
            continue
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call(func=ast.Name(id="print" | "exit" | "quit")):
                    found.append(place(path, node.lineno))
                case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdout" | "stderr"):
                    found.append(place(path, node.lineno))
                case ast.Attribute(value=ast.Name(id="os"), attr="_exit"):
                    found.append(place(path, node.lineno))
    assert not found, f"{found} prints or exits: return it, or raise a KataError, and let kata/cli say it."


def test_only_two_files_know_docker() -> None:
    found = importing("docker", allowed={"sandbox/docker.py", "sandbox/image.py"})
    assert not found, f"{found} imports docker: ask kata/sandbox/docker.py or image.py for what is needed."


def test_only_one_file_knows_dask() -> None:
    found = [each for module in ("dask", "distributed") for each in importing(module, allowed={"cohort/cluster.py"})]
    assert not found, f"{found} imports Dask, which is an extra: ask kata/cohort/cluster.py for what is needed."


def test_the_student_side_knows_nothing_of_the_grader_side() -> None:
    secret = ("kata.grading", "kata.supervisor", "kata.grade", "kata.authoring", "kata.cli", "kata.sandbox")
    found = [
        place(path, line)
        for path in CODE
        if ROOM[path] == "student"
        for line, name in imports(parsed(path))
        if name in secret or name.startswith(tuple(f"{module}." for module in secret))
    ]
    assert not found, f"{found}: what both sides need belongs in kata/wire.py or another module without secrets."


def test_only_the_supervisor_and_the_toolkit_know_pytest() -> None:
    found = importing("pytest", allowed={"supervisor", "grading"}) + importing(
        "_pytest", allowed={"supervisor", "grading"}
    )
    assert not found, f"{found} imports pytest: pytest runs inside the sandbox, never on the host."


# How quickly it starts


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"]], ids=" ".join)
def test_what_is_heavy_is_imported_only_when_it_is_needed(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from kata.cli.app import run\n"
        f"status = run({arguments!r})\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)), status)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"KATA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "heavy: [] 0", (
        f"`kata {' '.join(arguments)}` imports too much: import it inside the function that uses it.\n" + result.stderr
    )


# How it reads


def test_every_module_says_what_it_is_for() -> None:
    found = [str(path.relative_to(ROOT)) for path in CODE if not ast.get_docstring(parsed(path))]
    assert not found, f"{found}: begin with a docstring that says what the file is for."


def test_every_public_function_says_what_goes_in_and_out() -> None:
    found = [
        f"{place(path, node.lineno)} {node.name}"
        for path in CODE
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
        if not any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
    ]
    assert not found, f"{found}: say in a docstring what goes in, what comes out, and what it raises."


def test_functions_stay_short() -> None:
    found = [
        f"{place(path, node.lineno)} {node.name}"
        for path in CODE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 1 > FUNCTION_STATEMENTS_MAX
    ]
    assert not found, f"{found}: more than {FUNCTION_STATEMENTS_MAX} statements; give a part of it a name."


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
    found = [
        place(path, number)
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if words.search(line)
    ]
    assert not found, f"{found}: do it now, or open an issue."


# What must not stand in a public text


def test_no_text_names_a_folder_of_somebody_s_machine() -> None:
    home = re.compile(r"/(?:home|Users)/(?!you\b|runner\b)\w+")
    found = [
        place(path, number)
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if home.search(line) or f"{ROOT}/" in line
    ]
    assert not found, f"{found} names a path of one machine: derive it, or use a relative one."


def test_links_lead_to_documentation_only() -> None:
    link = re.compile(r"https?://([\w.-]+\.[a-z]{2,})")
    found = [
        f"{place(path, number)} {match[1]}"
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        for match in link.finditer(line)
        if match[1] not in LINK_HOSTS and not match[1].endswith((".example", "example.com"))
    ]
    assert not found, f"{found}: name no registry or mirror; add the host of a document to LINK_HOSTS."


def slug(heading: str) -> str:
    """The anchor of a heading, as the usual renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(match[1]) for match in re.finditer(r"^#+ +(.+)$", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("path", [p for p in text_files() if p.suffix == ".md"], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_in_documents_resolve(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{path.relative_to(ROOT)} links to {target}, which does not exist: mend the link."
        if anchor:
            assert anchor in anchors(file), f"{path.relative_to(ROOT)} links to {target}: no heading is called that."


# The content


def test_the_three_trees_mirror_each_other() -> None:
    names = {tree: {path.name for path in (ROOT / tree).iterdir() if path.is_dir()} for tree in TREES}
    assert names["exercises"] == names["graders"] == names["solutions"], (
        f"{names}: every exercise has a folder of one name in each tree; `kata dev new` makes all three."
    )


def test_no_two_exercises_have_the_same_number() -> None:
    numbers = [exercise_id[:2] for exercise_id in Catalog(ROOT).ids()]
    assert len(numbers) == len(set(numbers)), "Two exercises have one number: rename one in all three trees."


@pytest.mark.parametrize("exercise_id", Catalog(ROOT).ids())
def test_nothing_is_wrong_with_an_exercise_s_files(exercise_id: str) -> None:
    exercise = Catalog(ROOT).get(exercise_id)
    findings = [*read_papers(exercise), *read_grader(exercise)[1]]
    told = [f"{f.place}: {f.message} {f.remedy}" for f in findings if f.severity == "error"]
    assert not told, "\n".join(told)
