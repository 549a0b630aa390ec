"""`python -m tests.fuzz TARGET [options of atheris]`: look for inputs that break what parses hostile data, for hours.

It needs atheris (`pip install atheris`), which kata's tests do not. A finding belongs into `tests/test_fuzz.py`, as an
example of its target.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path

from tests.fuzz import NAMES


def main() -> None:
    """Run one target under atheris, from its seeds."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"Usage: python -m tests.fuzz TARGET, where TARGET is one of {', '.join(NAMES)}.")
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris")
    import atheris

    # Our own code alone: to follow all that it uses takes minutes at the start, and finds other people's branches.
    with atheris.instrument_imports(include=["kata"]):
        targets = importlib.import_module("tests.fuzz.targets")
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory(prefix="kata-corpus-") as corpus:
        for number, seed in enumerate(targets.seeds(name)):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], targets.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
