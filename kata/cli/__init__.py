"""The command line: the only part of kata that prints or exits."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from kata.errors import EXIT_USAGE

ON_WINDOWS = """\
kata: Windows itself has no sandbox that kata could use.
      Install WSL (`wsl --install`), open its shell, and install and run kata there.
"""


def main() -> NoReturn:
    """Run the command line of this process, and exit with its status."""
    if sys.platform == "win32":
        sys.stderr.write(ON_WINDOWS)
        sys.exit(EXIT_USAGE)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _end)
    from kata.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End as by an exception, so that a sandbox is closed on the way out."""
    sys.exit(128 + number)
