"""The `inside` sandbox where it belongs: in a container with an engine's usual rights, and with the whole course.

The container's first process is a shell, as a service's may be; kata's own launcher runs below it, and its streams are
the container's.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kata.report.model import SandboxInfo
from kata.sandbox.docker import PACKAGES, DockerLauncher, connect

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("kata", "exercises", "graders", "solutions")
OPEN_TO_ALL = ("autograder/submission", "autograder/results", "srv/shared", "usr/local/shared")
"""Folders that anybody may write, as images and services leave them."""

SERVE = """
import os, sys, threading
from kata.sandbox.inside import InsideLauncher

connection = InsideLauncher().start(int(sys.argv[2]))

def feed():
    while data := os.read(0, 65536):
        connection.write(data)
    connection.close()
    os._exit(1)

threading.Thread(target=feed, daemon=True).start()
while data := connection.read(65536, 3600):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
sys.stderr.write(connection.close().errors)
"""
"""Connects this process's stdin and stdout with those of a supervisor that the launcher has started."""

FIRST = 'python3 -s -P -B -c "$SERVE" "$@"; exit $?'


NO_LANDLOCK = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "syscalls": [{"names": ["landlock_create_ruleset"], "action": "SCMP_ACT_ERRNO"}],
}
"""As under engines that don't know Landlock yet: what is closed must hold alone. Nothing else is refused."""


class ForeignLauncher(DockerLauncher):
    """Starts containers as a service would, without network, and with `NO_LANDLOCK`."""

    name = "inside"

    def __init__(self, image: str) -> None:
        super().__init__(with_course(image), command=("env", f"SERVE={SERVE}", "sh", "-c", FIRST, "service"))

    def close(self) -> None:
        """Remove the image that was made for this launcher."""
        connect().remove_image(self._image)

    def info(self) -> SandboxInfo:
        return SandboxInfo(name="inside", for_grades=True)

    def _host_config(self, client: Any) -> dict[str, Any]:
        config: dict[str, Any] = client.create_host_config(
            network_mode="none", security_opt=[f"seccomp={json.dumps(NO_LANDLOCK)}"]
        )
        return config


def with_course(image: str) -> str:
    """Another image, in which the course stands beside kata, and all is compiled, as a set-up leaves it; its id."""
    client = connect()
    settings = client.create_host_config(network_mode="none")
    compiling = ["python3", "-m", "compileall", "-q", f"{PACKAGES}/kata"]
    container = client.create_container(image, entrypoint=compiling, user="0:0", host_config=settings)["Id"]
    try:
        client.put_archive(container, "/", course())
        client.start(container)
        assert client.wait(container)["StatusCode"] == 0, client.logs(container)
        return str(client.commit(container)["Id"])
    finally:
        client.remove_container(container, force=True)


@cache
def course() -> bytes:
    """An archive of kata and its whole course where the image has a part of kata, and of folders for everybody."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in OPEN_TO_ALL:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
        for path in _files():
            entry = tarfile.TarInfo(f"{PACKAGES[1:]}/{path.relative_to(ROOT).as_posix()}")
            entry.size, entry.mode = path.stat().st_size, 0o644
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    return target.getvalue()


def _files() -> Iterator[Path]:
    for folder in SHIPPED:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
