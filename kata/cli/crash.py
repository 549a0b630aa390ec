"""Keeps what is needed to mend a fault of our own."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from kata import __version__
from kata.workspace import state_folder


def save_crash(error: Exception, arguments: list[str]) -> Path:
    """Write the traceback with the command and the versions to a file of its own, and return where."""
    now = datetime.now(UTC)
    text = "".join(
        [
            f"kata {__version__}, Python {platform.python_version()}, {platform.platform()}\n",
            f"{now.isoformat(timespec='seconds')}\nkata {' '.join(map(repr, arguments))}\n\n",
            *traceback.format_exception(error),
        ]
    )
    name = f"{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        folder = state_folder() / "crashes"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError:
        # The state folder may be what broke.
        path = Path(tempfile.mkdtemp(prefix="kata-crash-")) / name
        path.write_text(text, encoding="utf-8", errors="replace")
    return path
