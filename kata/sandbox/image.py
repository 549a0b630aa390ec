"""The docker sandbox's image: a base with Python, the packages graders use, and the half of kata that grades.

The packages are resolved on the host (`packages.py`), so that building needs no network inside. One recipe
makes two images: `kata-packages` takes seconds and is kept; `kata-sandbox`, over it, follows kata's code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kata
from kata.errors import KataError, SandboxFailure, SandboxUnavailable
from kata.sandbox import Progress
from kata.sandbox.docker import PACKAGES, connect, engine, owner_labels, say, sweep
from kata.sandbox.packages import PROBE, TargetPython, install, last_words, pins

if TYPE_CHECKING:
    from docker import APIClient

DEFAULT_BASE = "python:3.13-slim"
DEBIAN_BASE = "kata-base:debian"
"""Made on this machine from Debian's own packages, for where no image registry can be reached."""
DEBIAN_SUITE = "bookworm"

SANDBOX = "kata-sandbox"
PACKAGED = "kata-packages"

LONG_SECONDS = 900.0
"""How long the engine may be silent while it builds, pulls or imports."""

SOURCES = (
    "__init__.py",
    "errors.py",
    "exercise.py",
    "grading",
    "protocol.py",
    "report/__init__.py",
    "report/model.py",
    "student",
    "supervisor",
    "wire.py",
)
"""What of the kata package runs inside. No exercise, grader or solution may ever get into the image."""
NOT_INSIDE = ("supervisor/bubblewrap.py", "supervisor/places.py")
"""What of these only other sandboxes use."""

COMPILE = """\
import compileall, importlib.util, os, py_compile, re, sys, sysconfig

def compile_folder(folder, skip=None):
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, rx=skip, workers=0, invalidation_mode=mode)

compile_folder(sys.argv[1])
# Official images come without bytecode of the standard library, and at run time nothing can be written.
if not os.path.exists(importlib.util.cache_from_source(os.__file__)):
    unused = re.compile("/(test|tests|idlelib|lib2to3|ensurepip|turtledemo|tkinter|site-packages)/")
    compile_folder(sysconfig.get_path("stdlib"), unused)
"""

DOCKERFILE = f"""\
FROM {{base}}
USER 0:0
COPY content {PACKAGES}
RUN ["python3", "-B", "{PACKAGES}/.compile.py", "{PACKAGES}/{{folder}}"]
LABEL {{labels}}
"""

Files = Iterable[tuple[str, bytes]]
"""Relative names and contents."""


@dataclass(frozen=True, kw_only=True)
class ImageState:
    """The image that this kata would use, as far as it is there."""

    tag: str
    id: str
    """Empty when it isn't built."""
    base: str
    """Name of the base that it is, or would be, built on."""
    python: str
    """Version of Python in it; empty when it isn't built."""
    size_bytes: int


def ensure(progress: Progress, *, client: APIClient | None = None) -> str:
    """The id of the image to start sandboxes from: found in milliseconds, unless it has to be built first.

    It is built when there is none of this kata's sources and package versions, when KATA_BASE_IMAGE names
    another base than its own, and when its base has been replaced. Raises SandboxUnavailable.
    """
    client = client or connect()
    found = _inspect(client, _tag())
    asked = _asked_base()
    if found and _labels(found)["kata.base"] == (asked or _labels(found)["kata.base"]):
        base = _inspect(client, _labels(found)["kata.base"])
        if base is None or base["Id"] == _labels(found)["kata.base-id"]:
            return str(found["Id"])
    return _build(progress, asked, fresh=False)


def build(progress: Progress, base: str | None = None) -> str:
    """Build the image, whether or not there is one; its id.

    `base` is the name of an image, or `debian` for one that is made here from Debian's packages. Without it
    KATA_BASE_IMAGE counts, else what was last built on, else python:3.13-slim. Raises SandboxUnavailable.
    """
    return _build(progress, _asked_base(base), fresh=True)


def prune(*, everything: bool = False) -> list[str]:
    """Remove what dead runs have left, and images of other versions of kata; what was removed, in words.

    `everything` also removes the image in use and the base made from Debian's packages. What a container
    still uses stays. Raises SandboxUnavailable, SandboxFailure.
    """
    client = connect()
    removed = [f"container {name}" for name in sweep(client)]
    current = None if everything else _inspect(client, _tag())
    keep = {_tag(), _labels(current)["kata.packages"]} if current else set()
    names = [SANDBOX, PACKAGED, *([DEBIAN_BASE] if everything else [])]
    with engine("list its images"):
        listed = [image for name in names for image in client.images(name)]
        # Only a finished image has that label: the steps of a build that is under way are untagged, too.
        listed += client.images(filters={"dangling": True, "label": "kata.packages"})
    for image in listed:
        tags = [tag for tag in image["RepoTags"] or () if tag != "<none>:<none>"]
        for each in tags or [image["Id"]]:
            if each not in keep and _remove(client, each):
                removed.append(f"image {each}")
    return removed


def image_state(client: APIClient | None = None) -> ImageState:
    """What there is of the image, without building anything. Raises SandboxUnavailable."""
    client = client or connect()
    found = _inspect(client, _tag())
    labels = _labels(found) if found else {}
    return ImageState(
        tag=_tag(),
        id=found["Id"] if found else "",
        base=labels.get("kata.base") or _asked_base() or _last_base(client) or DEFAULT_BASE,
        python=labels.get("kata.python", ""),
        size_bytes=found["Size"] if found else 0,
    )


# What the image is made of


def _sources() -> Iterator[tuple[str, bytes]]:
    """The files of kata that go into the image, in a fixed order."""
    root = Path(kata.__file__).parent
    for source in SOURCES:
        path = root / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            name = file.relative_to(root).as_posix()
            if file.is_file() and "__pycache__" not in file.parts and name not in NOT_INSIDE:
                yield f"kata/{name}", file.read_bytes()


def _tag() -> str:
    """The image's name: a digest of all that kata puts into it. What it was put on is in its labels."""
    return f"{SANDBOX}:{_digest(*pins(), *(part for file in _sources() for part in file))}"


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in (DOCKERFILE, COMPILE, *parts):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _asked_base(argument: str | None = None) -> str | None:
    asked = argument or os.environ.get("KATA_BASE_IMAGE") or None
    return DEBIAN_BASE if asked == "debian" else asked


def _last_base(client: APIClient) -> str | None:
    """The base of the newest image, so that a new version of kata keeps to what was chosen once."""
    with engine("list its images", SandboxUnavailable):
        images = [image for image in client.images(SANDBOX) if image.get("Labels")]
    newest = max(images, key=lambda image: image["Created"], default=None)
    return str(newest["Labels"]["kata.base"]) if newest else None


def _labels(image: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = image["Config"]["Labels"]
    return labels


def _inspect(client: APIClient, name: str) -> dict[str, Any] | None:
    """The engine's account of an image; None when it isn't there."""
    from docker.errors import ImageNotFound

    with engine(f"look for the image {name}", SandboxUnavailable):
        try:
            return dict(client.inspect_image(name))
        except ImageNotFound:
            return None


def _remove(client: APIClient, name: str) -> bool:
    """Remove an image unless it is in use; whether it is gone."""
    with suppress(SandboxFailure), engine(f"remove the image {name}"):
        client.remove_image(name)
        return True
    return False


# Building


def _build(progress: Progress, asked: str | None, *, fresh: bool) -> str:
    """Build the image; its id. `fresh`: resolve the packages again even if they are there."""
    client = connect(LONG_SECONDS)
    base, base_id = _have_base(client, progress, asked)
    packages = f"{PACKAGED}:{_digest(base_id, *pins())}"
    layer = None if fresh else _inspect(client, packages)
    if layer is None:
        layer = _build_packages(client, progress, base, base_id, packages)
    progress("Building the sandbox image (4/4): laying out kata")
    labels = {"kata.base": base, "kata.packages": packages, "kata.version": kata.__version__}
    return str(_lay(client, packages, _tag(), labels, "kata", _sources())["Id"])


def _build_packages(client: APIClient, progress: Progress, base: str, base_id: str, tag: str) -> dict[str, Any]:
    progress(f"Building the sandbox image (1/4): looking at {base}")
    python = _probe(client, base, base_id)
    labels = {"kata.base": base, "kata.base-id": base_id, "kata.python": python.version}
    with tempfile.TemporaryDirectory(prefix="kata-image-") as scratch:
        folder = Path(scratch) / "packages"
        folder.mkdir()
        progress("Building the sandbox image (2/4): resolving its packages")
        install(progress, python, folder)
        progress("Building the sandbox image (3/4): laying out its packages")
        return _lay(client, base_id, tag, labels, "", _files_below(folder))


def _lay(client: APIClient, base: str, tag: str, labels: dict[str, str], folder: str, files: Files) -> dict[str, Any]:
    """Make an image of `base` and files, whose `folder` is compiled; the engine's account of the image.

    The image that had the tag before is removed.
    """
    before = _inspect(client, tag)
    label = " ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    context = _context(DOCKERFILE.format(base=base, folder=folder, labels=label), files)
    with engine(f"build the image {tag}", SandboxUnavailable):
        lines = client.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            network_mode="none",
            pull=False,
            nocache=True,
            rm=True,
            forcerm=True,
            decode=True,
        )
        said = ""
        for line in lines:
            if "error" in line:
                reason = " ".join(line["error"].split()).rstrip(".")
                raise SandboxUnavailable(
                    f"The sandbox image could not be built: {reason}. {said}".rstrip(),
                    "See that the disk has room and that the base runs at all, then build it again.",
                )
            said = line.get("stream", "").strip() or said
        made = dict(client.inspect_image(tag))
    if before and before["Id"] != made["Id"]:
        _remove(client, before["Id"])
    return made


def _context(dockerfile: str, files: Files) -> io.BytesIO:
    """A build context: all files below `content`, root's own and readable for all."""
    target = io.BytesIO()
    fixed = (("Dockerfile", dockerfile.encode()), ("content/.compile.py", COMPILE.encode()))
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in (*fixed, *((f"content/{name}", data) for name, data in files)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    target.seek(0)
    return target


def _files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What pip has installed there, but for the commands in `bin`, which nobody calls inside."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] != "bin":
            yield relative.as_posix(), path.read_bytes()


def _probe(client: APIClient, base: str, base_id: str) -> TargetPython:
    """What Python the base holds, found by running it once."""
    with engine(f"run python3 in {base}", SandboxUnavailable):
        container = client.create_container(
            base_id,
            entrypoint=["python3", "-I", "-B", "-c", PROBE],
            user="0:0",
            labels=owner_labels(),
            host_config=client.create_host_config(network_mode="none", cap_drop=["ALL"], read_only=True),
        )
        try:
            client.start(container)
            status = client.wait(container)["StatusCode"]
            printed = client.logs(container, stdout=True, stderr=False)
            errors = client.logs(container, stdout=False, stderr=True)
        finally:
            client.remove_container(container, force=True, v=True)
    if status != 0:
        raise SandboxUnavailable(f"python3 fails in {base}: {last_words(errors)}.", "Name another base.")
    return TargetPython.from_probe(json.loads(printed))


# The base


def _have_base(client: APIClient, progress: Progress, asked: str | None) -> tuple[str, str]:
    """Name and id of the base, which is pulled or made when it isn't there.

    Only when none was asked for may another one take the place of what can't be pulled.
    """
    base = asked or _last_base(client) or DEFAULT_BASE
    if not _inspect(client, base):
        try:
            _get_base(client, progress, base)
        except SandboxUnavailable as error:
            if asked or base == DEBIAN_BASE or not (_inspect(client, DEBIAN_BASE) or _can_bootstrap()):
                raise
            progress(f"{error.message} Taking a base of Debian's packages instead.")
            return _have_base(client, progress, DEBIAN_BASE)
    with engine(f"find the base image {base}", SandboxUnavailable):
        return base, str(client.inspect_image(base)["Id"])


def _get_base(client: APIClient, progress: Progress, base: str) -> None:
    if base == DEBIAN_BASE:
        progress("Building the sandbox image (1/4): making a base of Debian's packages (half a minute)")
        _bootstrap(client)
        return
    progress(f"Building the sandbox image (1/4): pulling {base}")
    if refusal := _pull(client, base):
        raise SandboxUnavailable(
            f"The base image {base} is not on this machine and could not be pulled: {refusal}.",
            "Load it (`docker load`); or name another with KATA_BASE_IMAGE or `kata sandbox build --base`; "
            "or make one from Debian's packages with `kata sandbox build --base debian` (on Linux, with "
            "mmdebstrap); or take another sandbox with `--sandbox bubblewrap`.",
        )


def _pull(client: APIClient, base: str) -> str:
    """Pull an image; why it could not be, or ""."""
    # Without a tag or digest the engine would pull every tag there is.
    whole = base if ":" in base.rpartition("/")[2] or "@" in base else f"{base}:latest"
    try:
        with engine(f"pull {base}", SandboxUnavailable):
            errors = [line["error"] for line in client.pull(whole, stream=True, decode=True) if "error" in line]
    except KataError as error:
        return say(error.__cause__ or error)
    return " ".join(errors[-1].split()).rstrip(".") if errors else ""


def _can_bootstrap() -> bool:
    return sys.platform == "linux" and shutil.which("mmdebstrap") is not None


def _bootstrap(client: APIClient) -> None:
    """Make the base of Debian's packages: about 210 MB."""
    if not _can_bootstrap():
        raise SandboxUnavailable(
            "A base of Debian's packages needs mmdebstrap, which this machine doesn't have.",
            "Install it (`apt-get install mmdebstrap`, on Linux only), or name an image with `--base`.",
        )
    command = ["mmdebstrap", "--variant=minbase", "--include=python3", DEBIAN_SUITE, "-"]
    with tempfile.TemporaryFile(prefix="kata-base-") as archive:
        made = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=archive, stderr=subprocess.PIPE, check=False)
        if made.returncode != 0:
            raise SandboxUnavailable(
                f"mmdebstrap failed: {last_words(made.stderr)}.",
                "Mend what it says (often the way to Debian's mirror), or name an image with `--base`.",
            )
        archive.seek(0)
        repository, _, tag = DEBIAN_BASE.partition(":")
        with engine("import the base image", SandboxUnavailable):
            # Not `import_image_from_stream`, which says chunked and sends a file with its length.
            told = client.import_image(src=archive, repository=repository, tag=tag)
    if "errorDetail" in told:
        raise SandboxUnavailable(
            f"The base image could not be imported: {last_words(told.encode())}.",
            "See that the disk has room.",
        )
