"""The `kata` command: its subcommands, each imported when it is used, and what becomes of their errors."""

from __future__ import annotations

import importlib
import os
import sys

import click

from kata import __version__
from kata.cli.console import complain, echo
from kata.errors import EXIT_INCONCLUSIVE, EXIT_MET, KataError

EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("list_", "Show the exercises by topic, with your best scores."),
    "start": ("start", "Make a workspace for an exercise."),
    "check": ("check", "Grade a submission."),
    "hint": ("hint", "Open the next hint."),
    "solution": ("solution", "Show the reference solution and its notes."),
    "report": ("report", "Show the last report again."),
    "status": ("status", "Show your progress over all exercises."),
    "grade": ("grade", "Grade a folder of many people's submissions."),
    "gradebook": ("gradebook", "Write the marks of a run."),
    "diff": ("diff", "Say whose marks differ between two runs, and why."),
    "export": ("export", "Make an autograder or a workflow for a course platform."),
    "doctor": ("doctor", "Say what this machine offers, and what will be used."),
    "sandbox": ("sandbox", "Build the sandbox image, or clean up after runs."),
    "dev": ("dev", "Write and prove exercises."),
}
"""For each command its module in `kata.cli`, which has it as `command`, and its line in `kata --help`."""

EPILOG = """\
Start with `kata list`, then `kata start EXERCISE` and `kata check EXERCISE`. An EXERCISE is its
number (15), its name (15-caching), or a part of it.

\b
Exit status:  0 everything met, 1 something unmet, 2 wrong usage or
              a submission that can't be read, 3 inconclusive

\b
Completion:   eval "$(_KATA_COMPLETE=bash_source kata)"    in ~/.bashrc
              eval "$(_KATA_COMPLETE=zsh_source kata)"     in ~/.zshrc
              _KATA_COMPLETE=fish_source kata | source     in config.fish
"""


class LazyGroup(click.Group):
    """A group whose help comes from `COMMANDS`, so that showing it imports no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"kata.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and name[:1].isalnum():
            raise click.UsageError(f"There is no command {name!r}.{_nearest_command(name)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # `kata list | head` is no error of ours; what is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(EXIT_PIPE_CLOSED) from None


def _nearest_command(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="kata", message="%(prog)s %(version)s")
@click.pass_context
def kata(context: click.Context) -> None:
    """System-design exercises, graded in a sandbox: build it, check it, see why it fails."""
    if context.invoked_subcommand is None:
        echo(context.get_help())


def run(arguments: list[str]) -> int:
    """Run one command line, in words for people, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        status = kata.main(arguments, prog_name="kata", standalone_mode=False)
        return status if isinstance(status, int) else EXIT_MET
    except KataError as error:
        complain(error.message, error.remedy)
        return error.exit_status
    except click.Abort:
        complain("Stopped.")
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        complain(error.format_message(), _usage_of(error))
        return error.exit_code
    except Exception as error:
        return _our_fault(error, arguments)


def _usage_of(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path if context else 'kata'} --help` shows how it is used."


def _our_fault(error: Exception, arguments: list[str]) -> int:
    """Keep the traceback in a file, for whoever will mend it, and show none of it."""
    from kata.cli.crash import save_crash

    path = save_crash(error, arguments)
    complain(
        f"This is a fault of kata's own, not of your work ({type(error).__name__}). No score was changed.",
        f"What went wrong is written in {path}; please send it to the authors.",
    )
    return EXIT_INCONCLUSIVE
