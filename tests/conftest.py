"""What tests need of the machine: skipped loudly where it is missing, a failure where KATA_REQUIRE names it.

KATA_REQUIRE is a list with commas, like `docker,bubblewrap,browser`; `tests/run --all` sets all three.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from worlds import spawner, world_of  # noqa: F401 - fixtures for every test

MISSING = "This machine lacks"
"""How the reason of every such skip begins, by which the summary finds them."""


def _docker() -> str:
    from kata.sandbox.docker import offer

    offered = offer()
    return "" if offered.available else f"{offered.summary} {offered.remedy}"


def _bubblewrap() -> str:
    from kata.sandbox.bubblewrap import offer

    offered = offer()
    return "" if offered.available else f"{offered.summary} {offered.remedy}"


def _browser() -> str:
    from browser import chromium

    return "" if chromium() else "No chromium is installed. Install it, as in `apt-get install chromium`."


NEEDS: dict[str, Callable[[], str]] = {"docker": _docker, "bubblewrap": _bubblewrap, "browser": _browser}
"""For each marker, what says why the machine lacks it, or "" when it doesn't."""


@cache
def _lack(need: str) -> str:
    return NEEDS[need]()


@cache
def _required() -> set[str]:
    required = {name.strip() for name in os.environ.get("KATA_REQUIRE", "").split(",") if name.strip()}
    if unknown := required - NEEDS.keys():
        raise pytest.UsageError(f"KATA_REQUIRE names {', '.join(unknown)}; it may name {', '.join(NEEDS)}.")
    return required


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for need in NEEDS:
        if item.get_closest_marker(need) and (lack := _lack(need)):
            if need in _required():
                pytest.fail(f"KATA_REQUIRE names {need}, but: {lack}", pytrace=False)
            pytest.skip(f"{MISSING} {need}: {lack}")


def pytest_configure(config: pytest.Config) -> None:
    _required()
    # A shell starts what it runs in the background with SIGINT ignored, and that is inherited by all programs below.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes first: at the end one worker would be busy with it, and the other have nothing to do."""
    items.sort(key=lambda item: item.path.name != "test_exercises.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    missed = [(reason, number) for reason, number in reasons.items() if reason.startswith(MISSING)]
    if missed:
        terminalreporter.section("NOT TESTED ON THIS MACHINE", sep="!", yellow=True, bold=True)
    for reason, number in missed:
        terminalreporter.line(f"{number} tests were skipped. {reason}", yellow=True)


@pytest.fixture
def kata_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where kata keeps its state during the test, in place of the user's own."""
    home = tmp_path / "kata-home"
    home.mkdir()
    monkeypatch.setenv("KATA_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def docker_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the sandbox image, built if need be. Only for tests that are marked `docker`."""
    from kata.sandbox.image import ensure

    # Workers of one run share the folder above their own: the first one builds, the others wait and find.
    with (tmp_path_factory.getbasetemp().parent / "kata-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return ensure(lambda line: None)
