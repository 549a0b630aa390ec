"""A workflow for GitHub Actions that grades what lies in a repository: a job for each exercise."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from string import Template

from kata import __version__
from kata.exercise import Exercise

PATH = ".github/workflows/kata.yml"
"""Where it belongs in a repository."""


def workflow(exercises: Sequence[Exercise]) -> bytes:
    """The workflow as YAML. Each exercise's submission is in the folder of its name, as `kata start` makes it."""
    template = (resources.files("kata.export") / "templates" / "kata.yml").read_text("utf-8")
    words = {"version": __version__, "exercises": ", ".join(exercise.id for exercise in exercises)}
    return Template(template).substitute(words).encode()
