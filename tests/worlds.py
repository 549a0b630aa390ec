"""Worlds for tests: a real zygote, real student processes in `plain` mode, and a submission given as source.

def test_something(world_of):
    world = world_of('''
        def double(number):
            return 2 * number
    ''')
    assert world.student().double(4) == 8
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from kata.exercise import Limits
from kata.grading import remote
from kata.grading.fakes import pause, refuse
from kata.supervisor.interface import Signature
from kata.supervisor.spawner import Spawned, Spawner
from kata.supervisor.world import World

ENTRY = "answer.py"

WorldOf = Callable[..., World]


@pytest.fixture(scope="session")
def spawner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spawner]:
    """One zygote for all worlds of a test session."""
    spawner = Spawner("plain", tmp_path_factory.mktemp("nodes"))
    yield spawner
    spawner.close()


@pytest.fixture
def world_of(spawner: Spawner) -> Iterator[WorldOf]:
    """Makes a world around a submission: its source, or its files. Further options: `seed`, `interface`, limits."""
    worlds: list[World] = []

    def world_of(
        source: str | dict[str, str], *, seed: int = 1, interface: dict[str, Signature] | None = None, **limits: Any
    ) -> World:
        texts = source if isinstance(source, dict) else {ENTRY: source}
        files = {name: dedent(text).encode() for name, text in texts.items()}
        kept = Limits(**limits)
        spawner.prepare(files, ENTRY, kept, 0)
        world = World(spawner, kept, seed, files, interface=interface)
        world.begin(f"{seed}:test", False)
        worlds.append(world)
        return world

    yield world_of
    for world in worlds:
        world.end()


class Probe:
    """A fake with one method of each kind; it remembers what it was told, and when."""

    def __init__(self, world: World, name: str = "probe") -> None:
        self.world = world
        self.told: list[Any] = []
        self.moments: list[float] = []
        world.expose(self, name)

    @remote
    def tell(self, value: Any) -> int:
        """Called plainly, answered at once: how much it has been told."""
        self.told.append(value)
        self.moments.append(self.world.clock.now)
        return len(self.told)

    @remote
    async def wait(self, seconds: float, value: Any = None) -> Any:
        """Awaited; answers `value` after that many virtual seconds."""
        await pause(seconds)
        self.told.append(value)
        self.moments.append(self.world.clock.now)
        return value

    @remote(blocking=True)
    async def block(self, seconds: float, value: Any = None) -> Any:
        """Called plainly; the student's process waits in it."""
        await pause(seconds)
        self.moments.append(self.world.clock.now)
        return value

    @remote
    async def fail(self, kind: str, message: str = "no") -> None:
        """Raises an exception of that name in the student's process."""
        await pause(1)
        refuse(type(kind, (Exception,), {})(message))


def times(world: World) -> list[tuple[float, str, str]]:
    """The transcript as moments, texts and results."""
    return [(line.at_seconds, line.text, line.result) for line in world.lines()[0]]


def folder_of(root: Path, files: dict[str, str]) -> Path:
    """A folder with these files in it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return root


class GentleSpawner(Spawner):
    """Lets a process end by itself when its channel closes, and so lets coverage keep what was run in it."""

    def _command(self, descriptor: int) -> tuple[list[str], dict[str, str]]:
        command, environment = super()._command(descriptor)
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS_")}
        return command, environment | measured

    def destroy(self, spawned: Spawned) -> None:
        with contextlib.suppress(OSError):
            ended = os.pidfd_open(spawned.pid)
            spawned.channel.shutdown(socket.SHUT_RDWR)
            select.select([ended], [], [], 10)
            os.close(ended)
        super().destroy(spawned)
