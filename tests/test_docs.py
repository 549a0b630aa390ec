"""The documents that are generated, or that quote the program, agree with it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from kata.authoring import reference
from kata.cli.app import COMMANDS, kata
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_UNMET, EXIT_USAGE
from kata.report.faces import FACES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
AUTHORS = ROOT / "docs" / "authors.md"


def test_the_toolkit_s_reference_is_what_its_docstrings_say() -> None:
    document = AUTHORS.read_text("utf-8")
    fresh = reference.renewed(document)
    if os.environ.get("KATA_UPDATE"):
        AUTHORS.write_text(fresh, "utf-8")
        document = fresh
    assert document == fresh, "docs/authors.md is out of date: KATA_UPDATE=1 pytest tests/test_docs.py renews it."


def test_a_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold the line"):
        reference.renewed("# Nothing here\n")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "dev"])
def test_the_readme_names_every_command(name: str) -> None:
    assert f"kata {name}" in README, f"Tell in README.md what `kata {name}` is for."


def test_the_readme_names_every_format() -> None:
    missing = [name for name in FACES if f"`{name}`" not in README]
    assert not missing, f"Tell in README.md what --report {missing} writes."


def test_the_readme_tells_every_exit_status() -> None:
    told = [int(status) for status in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert told == [EXIT_MET, EXIT_UNMET, EXIT_USAGE, EXIT_INCONCLUSIVE]


def test_every_variable_that_the_program_reads_is_in_the_readme() -> None:
    read = {
        name
        for path in (ROOT / "kata").rglob("*.py")
        for name in re.findall(r'environ(?:\.get\(|\[)"(KATA_[A-Z_]+)"', path.read_text("utf-8"))
    }
    missing = [name for name in sorted(read) if f"`{name}`" not in README]
    assert not missing, f"Tell in README.md what {missing} are for."


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/authors.md", "docs/clusters.md"])
def test_options_that_documents_mention_exist(document: str) -> None:
    context = click.Context(kata)
    for name, option in re.findall(r"kata ([a-z]+)\b[^`\n]*? (--[a-z-]+)", (ROOT / document).read_text("utf-8")):
        command = kata.get_command(context, name)
        assert command is not None, f"{document} mentions `kata {name}`, which is no command."
        found = {o for c in _with_children(command) for p in c.params for o in p.opts}
        assert option in found, f"{document} mentions `kata {name} {option}`, which is no option of it."


def _with_children(command: click.Command) -> list[click.Command]:
    return [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
