"""Arguments and options that several commands share, with their completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kata.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from kata.exercise import Exercise
    from kata.workspace import State

Command = TypeVar("Command", bound=Callable[..., Any])

SANDBOXES = ("auto", "docker", "bubblewrap", "inside", "process")


def exercise_argument(command: Command) -> Command:
    """An EXERCISE that must be there; the command receives it as an `Exercise`."""
    return click.argument("exercise", callback=_find, shell_complete=complete_exercise)(command)


def exercises_argument(command: Command) -> Command:
    """Any number of EXERCISEs; the command receives a tuple of `Exercise`."""
    return click.argument(
        "exercises", nargs=-1, metavar="[EXERCISE]...", callback=_find_all, shell_complete=complete_exercise
    )(command)


def sandbox_option(command: Command) -> Command:
    """`--sandbox`, one of SANDBOXES."""
    return click.option(
        "--sandbox",
        type=click.Choice(SANDBOXES),
        default="auto",
        show_default=True,
        help="Where the submission runs. `auto` takes the first that this machine has, in this order.",
    )(command)


def _find(context: click.Context, parameter: click.Parameter, name: str) -> Exercise:
    from kata.catalog import Catalog

    return Catalog().find(name)


def _find_all(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[Exercise, ...]:
    return tuple(_find(context, parameter, name) for name in names)


def known_requirement(exercise: Exercise, name: str) -> str:
    """The id of the requirement that is named, by its id. Raises UsageError with the nearest."""
    from difflib import get_close_matches

    ids = [requirement.id for requirement in exercise.requirements]
    if name in ids:
        return name
    near = get_close_matches(name.lower(), ids, n=1, cutoff=0.4) or [i for i in ids if name and name in i][:1]
    remedy = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"{exercise.id} has no requirement {name!r}.", f"{remedy}It has {', '.join(ids)}.")


def complete_exercise(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Exercises whose name begins so; when there is none, those that have it in their name."""
    from click.shell_completion import CompletionItem

    from kata.catalog import Catalog

    wanted = incomplete.lower()
    names = Catalog().ids()
    begin = [name for name in names if name.startswith(wanted)]
    return [CompletionItem(name) for name in begin or (name for name in names if wanted in name)]


def complete_requirement(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Requirements of the exercise that stands on the line; nothing while there is none."""
    from click.shell_completion import CompletionItem

    exercise = context.params.get("exercise") or _first_named(context)
    if exercise is None:
        return []
    return [
        CompletionItem(requirement.id, help=requirement.text)
        for requirement in exercise.requirements
        if requirement.id.startswith(incomplete)
    ]


def _first_named(context: click.Context) -> Exercise | None:
    """The exercise among the words that were left unread: an option without its value stops the reading."""
    from kata.catalog import Catalog

    words = [word for word in context.args if not word.startswith("-")]
    try:
        return Catalog().find(words[0]) if words else None
    except UsageError:
        return None


def open_state() -> State:
    """The student's state; what is set aside there is told on stderr."""
    from kata.cli.console import notice
    from kata.workspace import State

    return State(notice=notice)
