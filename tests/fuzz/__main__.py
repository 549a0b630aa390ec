"""`python -m tests.fuzz TARGET [options of atheris]`: look for inputs that break what parses hostile data, for hours.

It needs atheris (`pip install atheris`), which kata's tests do not. A finding belongs into `tests/test_fuzz.py`, as an
example of its target.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

from tests.fuzz import TARGETS, seeds


def main() -> None:
    """Run one target under atheris, from its seeds."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"Usage: python -m tests.fuzz TARGET, where TARGET is one of {', '.join(TARGETS)}.")
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris")
    import atheris

    name = sys.argv.pop(1)
    atheris.instrument_all()
    with tempfile.TemporaryDirectory(prefix="kata-corpus-") as corpus:
        for number, seed in enumerate(seeds(name)):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
