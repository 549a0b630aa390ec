"""Resolves the packages of the sandbox on the host, for another Python and platform than the host's own."""

from __future__ import annotations

import ensurepip
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kata.errors import SandboxUnavailable
from kata.sandbox import Progress

REQUIRED = ("pytest", "hypothesis", "msgspec", "freezegun", "coverage", "websockets")
"""What the supervisor, the graders and the students' processes import."""

NEWEST = ("pip",)
"""What is taken at no version of this host's: it has to serve Pythons that are younger than that."""

PIP_SECONDS = 900.0
PYTHON_MIN = (3, 11)

PROBE = """\
import json, os, platform, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()
except (AttributeError, OSError, ValueError):
    libc = ["musl", ""]
machine = sysconfig.get_platform().partition("-")[2].replace("-", "_")
print(json.dumps({"python": platform.python_version(), "machine": machine, "libc": libc}))
"""
"""Prints what `TargetPython.from_probe` reads."""


@dataclass(frozen=True, kw_only=True)
class TargetPython:
    """The Python that packages are resolved for, in pip's terms."""

    version: str
    """Whole, as in `3.13.1`."""
    platforms: tuple[str, ...]
    """Platform tags whose wheels run there."""

    @classmethod
    def from_probe(cls, facts: dict[str, Any]) -> TargetPython:
        """Make it of what `PROBE` printed there. Raises SandboxUnavailable when that Python is too old."""
        version, machine = facts["python"], facts["machine"]
        if tuple(int(part) for part in version.split(".")[:2]) < PYTHON_MIN:
            raise SandboxUnavailable(
                f"The base image holds Python {version}, which is too old.",
                f"Name a base with Python {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer.",
            )
        libc, libc_version = facts["libc"]
        if libc == "glibc":
            newest = int(libc_version.split(".")[1])
            systems = [f"manylinux_2_{number}" for number in range(newest, 4, -1)]
            systems += ["manylinux2014", "manylinux2010", "manylinux1"]
        else:
            systems = ["musllinux_1_2", "musllinux_1_1"]
        return cls(version=version, platforms=tuple(f"{system}_{machine}" for system in systems))


def pins() -> list[str]:
    """What pip is asked for: the versions that this host has, so that both ends agree."""
    return [_pin(name) for name in REQUIRED]


def install(progress: Progress, python: TargetPython, folder: Path) -> None:
    """Install the packages of the sandbox into an empty folder: at this host's versions, or else the newest.

    Raises SandboxUnavailable when pip can't get them.
    """
    _get(progress, python, REQUIRED, ["install", "--no-compile", "--target"], folder)


def download(progress: Progress, python: TargetPython, names: Sequence[str], folder: Path) -> None:
    """Get the wheels of packages, and of what they need, into an empty folder; likewise."""
    _get(progress, python, names, ["download", "--dest"], folder)


def _get(progress: Progress, python: TargetPython, names: Sequence[str], doing: list[str], folder: Path) -> None:
    constraints = folder.with_name(f"{folder.name}.constraints")
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(_installed().items())))
    command = [*doing, str(folder)]
    try:
        refusal = _pip(python, [*map(_pin, names), "--constraint", str(constraints)], command)
    finally:
        constraints.unlink()
    if refusal:
        progress("Not all packages are to be had at this machine's versions: taking the newest")
        shutil.rmtree(folder)
        folder.mkdir()
        refusal = _pip(python, list(names), command)
    if refusal:
        raise SandboxUnavailable(
            f"pip could not get the packages for Python {python.version}: {refusal}.",
            "See that `pip download pytest` works on this machine, then try again.",
        )


def last_words(output: bytes) -> str:
    """The last lines of a command's complaints, on one line, without a full stop."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return " ".join(lines[-3:])[-600:].rstrip(".") or "it said nothing"


def _pin(name: str) -> str:
    if name in NEWEST:
        return name
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return name


def _installed() -> dict[str, str]:
    """Every package of this host, so that those which the wanted ones need are alike too."""
    found = {each.name: each.version for each in importlib.metadata.distributions() if each.name}
    return {name: version for name, version in found.items() if name not in NEWEST}


def _pip(python: TargetPython, wanted: list[str], doing: list[str]) -> str:
    """Let pip do something with packages for another Python; why it could not, or ""."""
    command = [
        *_pip_command(),
        *doing,
        *("--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--no-input", "--implementation", "cp"),
        *("--python-version", ".".join(python.version.split(".")[:2])),
        *(option for platform in python.platforms for option in ("--platform", platform)),
        *wanted,
    ]
    # A user's own settings for where to install would contradict --target.
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PIP_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {PIP_SECONDS:g} s"
    return "" if done.returncode == 0 else last_words(done.stderr)


def _pip_command() -> list[str]:
    """This environment's pip; where it has none, as uv makes them, the one Python carries for ensurepip."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    carried = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not carried:
        raise SandboxUnavailable(
            "This needs pip, and this environment has none.",
            "Install pip into the environment that kata runs in.",
        )
    return [sys.executable, f"{carried[-1]}/pip"]
