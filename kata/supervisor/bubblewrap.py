"""The bubblewrap command that a zygote runs in: the interpreter, a few packages, and not one file of a
grader.

What it shows, all of it read-only:

    /usr, /lib* …        as on this machine, but for every folder of site-packages in it
    the interpreter      its library and executable, where they lie outside /usr (pyenv, uv, conda, Nix)
    /site                the packages of `SHOWN`, of kata only `kata.student` and what that imports
    /work                empty: each node mounts a tmpfs of its own on it
    /dev                 null, zero, full, random, urandom

No /proc, no /sys, no /tmp, no /etc but the linker's cache. Nothing is writable, so that nodes share nothing;
the network namespace holds a loopback that seccomp lets nobody use (one for each node would cost 1 ms more a
node).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from kata.catalog import content_root
from kata.errors import SandboxUnavailable
from kata.student import kernel

WORK = "/work"
"""The directory of every node, `Confinement.directory`."""

SHOWN = ("msgspec", "freezegun", "dateutil", "coverage")
"""Packages that student processes have, besides the standard library."""
_SHOWN_IF_INSTALLED = ("six", "tzdata")
"""What some versions of dateutil need."""

_SITE = "/site"
_KATA = ("__init__.py", "errors.py", "wire.py", "student")
_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_STORES = ("/nix/store", "/gnu/store")
"""Of systems where every library has a folder of its own."""
_ROOT_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_SETPCAP")
"""To make namespaces, to change to a node's uid, to kill it, and to let it never have these."""
_USER_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
_CAPABILITY_BITS = (21, 7, 6, 5, 8)
_UIDS_FREE_BELOW = 1000
_VERSION_WITHOUT_USER_NAMESPACES = (0, 8)


def zygote_command(python_args: list[str], packages: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """The command and the whole environment of a zygote; `python_args` follow the interpreter's name.

    Inherited descriptors (`pass_fds`) reach it unchanged. Start it with exactly this environment: what
    bubblewrap itself was given can be read inside. `packages` are shown besides `SHOWN`.

    Raises SandboxUnavailable when bubblewrap or a package is missing.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed.", "Install it: `apt install bubblewrap`, `dnf install bubblewrap`."
        )
    executable = _executable()
    shown = _shown_directories(executable)
    command = [bwrap, *_namespaces(bwrap)]
    for path in _folders_above((*shown, "/etc/*", "/dev/*", f"{_SITE}/kata/*", f"{WORK}/*")):
        command += ["--dir", path]
    for path in shown:
        command += ["--ro-bind", path, path]
    command += _top_links()
    command += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    hidden = _hidden_directories(shown)
    for path in hidden:
        command += ["--tmpfs", path]
    for source, target in _packages((*SHOWN, *packages)):
        command += ["--ro-bind", source, target]
    for device in _DEVICES:
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    command += ["--chdir", "/"]
    for path in (*hidden, "/"):
        command += ["--remount-ro", path]
    return [*command, "--", executable, "-P", *python_args], {
        "PYTHONPATH": _SITE,
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
    }


def uid_range() -> range:
    """The user ids that this process may give to nodes; empty when they keep its own.

    Root has them, unless it is root of a container that maps no others or lacks what it takes.
    """
    if os.geteuid() != 0 or any(not kernel.capabilities()[0] >> bit & 1 for bit in _CAPABILITY_BITS):
        return range(0)
    lines = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    ranges = [range(int(inside), int(inside) + int(count)) for inside, _, count in lines]
    longest = max(ranges, key=lambda uids: uids.stop - uids.start, default=range(0))
    usable = range(max(longest.start, _UIDS_FREE_BELOW), min(longest.stop, 2**31))
    return usable if usable else range(0)


@functools.cache
def version(bwrap: str) -> tuple[int, ...]:
    """Which bubblewrap that is, as in (0, 8, 0)."""
    answer = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return tuple(int(number) for number in re.findall(r"\d+", answer.stdout)[:3])


def _namespaces(bwrap: str) -> list[str]:
    options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    options += ["--hostname", "sandbox", "--die-with-parent", "--new-session", "--as-pid-1"]
    options += ["--cap-drop", "ALL"]
    capabilities: tuple[str, ...] = _USER_CAPABILITIES
    if uid_range():
        # No user namespace: bubblewrap's would map one user id, and every node needs another.
        capabilities = _ROOT_CAPABILITIES
    else:
        options += ["--unshare-user"]
        options += ["--disable-userns"] if version(bwrap) >= _VERSION_WITHOUT_USER_NAMESPACES else []
    for capability in capabilities:
        options += ["--cap-add", capability]
    return options


def _executable() -> str:
    """The interpreter itself, not a virtual environment's link or copy, which would need more to be shown."""
    here = os.path.realpath(sys.executable)
    names = (os.path.basename(here), f"python{sys.version_info[0]}.{sys.version_info[1]}")
    for name in names:
        candidate = os.path.join(sys.base_prefix, "bin", name)
        if os.path.isfile(candidate):
            return os.path.realpath(candidate)
    return here


def _shown_directories(executable: str) -> list[str]:
    """What the interpreter and its libraries need, without those that lie in another one."""
    library = os.path.join(sys.base_prefix, "lib")
    candidates = ["/usr", executable, *_STORES] if executable.startswith(_STORES) else ["/usr", executable]
    base = {"platbase": sys.base_exec_prefix, "installed_platbase": sys.base_exec_prefix}
    candidates += [library, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib", vars=base)]
    paths = sorted({path for path in candidates if os.path.exists(path)}, key=len)
    shown: list[str] = []
    for path in paths:
        if not any(_is_below(path, other) for other in shown):
            shown.append(path)
    return shown


def _folders_above(paths: Iterable[str]) -> list[str]:
    """The folders that lead to these paths, outermost first. bubblewrap would make them its own user's."""
    return sorted({str(parent) for path in paths for parent in Path(path).parents} - {"/"}, key=len)


def _hidden_directories(shown: list[str]) -> list[str]:
    """Folders of other packages, of this one, and of the graders, wherever a shown directory would show
    them."""
    content = content_root()
    candidates: set[Path] = {content / "graders", content / "solutions", Path(__file__).resolve().parents[1]}
    candidates.update(Path(path) for path in _site_packages())
    for root in shown:
        for inner in ("", "lib", "lib64", "local/lib", "local/lib64"):
            candidates.update(Path(root, inner).glob("python*/site-packages"))
            candidates.update(Path(root, inner).glob("python*/dist-packages"))
    real = {os.path.realpath(path) for path in candidates if path.is_dir()}
    below = sorted(path for path in real if any(_is_below(path, root) for root in shown))
    return [path for path in below if not any(path != other and _is_below(path, other) for other in below)]


def _site_packages() -> Iterable[str]:
    return (*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


def _top_links() -> list[str]:
    options: list[str] = []
    for path in _LINKS:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    return options


def _packages(required: Iterable[str]) -> list[tuple[str, str]]:
    """Where each package lies here, and where inside."""
    kata = Path(__file__).resolve().parents[1]
    found = [(str(kata / name), f"{_SITE}/kata/{name}") for name in _KATA]
    for name in dict.fromkeys((*required, *_SHOWN_IF_INSTALLED)):
        spec = importlib.util.find_spec(name)
        source = spec and next(iter(spec.submodule_search_locations or ()), spec.origin)
        if source:
            found.append((source, f"{_SITE}/{os.path.basename(source)}"))
        elif name not in _SHOWN_IF_INSTALLED:
            raise SandboxUnavailable(f"The package {name} is missing.", "Install system-design-kata again.")
    return found


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
