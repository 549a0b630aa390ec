"""Chooses the sandbox that a submission runs in, and surveys which ones this machine has."""

from __future__ import annotations

import contextlib
import os
from typing import Literal

from kata.errors import SandboxUnavailable
from kata.sandbox import Launcher, Offer, Progress

Choice = Literal["auto", "docker", "bubblewrap", "inside", "process"]
"""What `--sandbox` may be."""

LANES_MAX = 4
"""Each lane keeps a warm process of its own: more would cost more to start than they save."""


def choose(name: Choice, *, progress: Progress, notice: Progress) -> Launcher:
    """A launcher of the sandbox of that name, its image built if need be.

    `auto` is docker when a daemon answers, else bubblewrap when it works, else inside where this is root of a
    container, else process. `progress` hears of
    what takes long, `notice` of a choice that the person would want to know of. Raises SandboxUnavailable
    when the sandbox asked for can't be had; `auto` always finds one.
    """
    if name == "auto":
        return _first_that_works(progress, notice)
    if name == "docker":
        return _docker(progress)
    return {"bubblewrap": _bubblewrap, "inside": _inside, "process": _process}[name]()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes() -> int:
    """How many checks to run side by side for somebody who waits for a single submission: one on each core."""
    return min(cores(), LANES_MAX)


def survey() -> list[Offer]:
    """What each kind of sandbox would be on this machine, best first. Takes at most some seconds."""
    from kata.sandbox import bubblewrap, docker, inside, process

    return [docker.offer(), bubblewrap.offer(), inside.offer(), process.offer()]


def _first_that_works(progress: Progress, notice: Progress) -> Launcher:
    from kata.sandbox import docker

    try:
        return _docker(progress)
    except docker.NoDaemon:
        return _without_docker(notice)
    except SandboxUnavailable as error:
        notice(f"A docker daemon answers, but its sandbox can't be used: {error.message} {error.remedy}")
        return _without_docker(notice)


def _without_docker(notice: Progress) -> Launcher:
    for launcher in (_bubblewrap, _inside):
        with contextlib.suppress(SandboxUnavailable):
            return launcher()
    notice("Neither docker nor bubblewrap works here: this runs without isolation. See `kata doctor`.")
    return _process()


def _docker(progress: Progress) -> Launcher:
    from kata.sandbox import docker, image

    client = docker.connect()
    return docker.DockerLauncher(image.ensure(progress, client=client), client=client)


def _bubblewrap() -> Launcher:
    from kata.sandbox import bubblewrap

    offered = bubblewrap.offer()
    if not offered.available:
        raise SandboxUnavailable(offered.summary, offered.remedy)
    return bubblewrap.BubblewrapLauncher()


def _inside() -> Launcher:
    from kata.sandbox import inside

    offered = inside.offer()
    if not offered.available:
        raise SandboxUnavailable(offered.summary, offered.remedy)
    return inside.InsideLauncher()


def _process() -> Launcher:
    from kata.sandbox import process

    return process.ProcessLauncher()
