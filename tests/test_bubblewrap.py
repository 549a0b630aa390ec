"""What is visible and writable in the bubblewrap sandbox, and what is said where it can't be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zygotes
from conftest import MISSING

from kata.catalog import content_root
from kata.errors import SandboxUnavailable
from kata.sandbox import bubblewrap as sandbox
from kata.supervisor import bubblewrap

BWRAP = "/usr/bin/bwrap"


@pytest.fixture(scope="module", params=["this user", "another user"])
def zygote(request: pytest.FixtureRequest) -> Iterator[zygotes.Zygote]:
    """A zygote in bubblewrap. It isn't confined further itself, so it sees all that bubblewrap shows."""
    if request.param == "this user":
        running = zygotes.in_bubblewrap()
        yield running
        running.close()
        return
    if os.geteuid() != 0:
        pytest.skip(f"{MISSING} root, to test bubblewrap for another user.")
    folder = Path(tempfile.mkdtemp(prefix="kata-test-"))
    folder.chmod(0o755)
    running = zygotes.in_bubblewrap_as_another(folder / "another")
    yield running
    running.close()
    shutil.rmtree(folder)


@pytest.mark.bubblewrap
class TestView:
    def test_the_top(self, zygote: zygotes.Zygote) -> None:
        shown = set(zygote.order("evaluate", "os.listdir('/')"))
        assert shown >= {"dev", "etc", "site", "usr", "work"}
        assert not shown & {"proc", "sys", "home", "var", "run", "boot", "srv", "mnt"}
        assert set(zygote.order("evaluate", "os.listdir('/dev')")) == {
            "null",
            "zero",
            "full",
            "random",
            "urandom",
        }
        assert set(zygote.order("evaluate", "os.listdir('/etc')")) <= {"ld.so.cache"}
        assert zygote.order("evaluate", "os.listdir('/work')") == []

    def test_of_kata_only_what_students_need(self, zygote: zygotes.Zygote) -> None:
        shown = set(zygote.order("evaluate", "os.listdir('/site/kata')"))
        assert shown == {"__init__.py", "errors.py", "wire.py", "student"}

    def test_no_grader_and_no_checkout(self, zygote: zygotes.Zygote) -> None:
        for path in (
            content_root() / "graders",
            content_root() / "solutions",
            zygotes.ROOT / "kata" / "supervisor",
        ):
            assert path.exists()
            assert not zygote.order("evaluate", f"os.path.exists({str(path)!r})")

    def test_site_packages_are_empty(self, zygote: zygotes.Zygote) -> None:
        """So that no installed copy of the graders is there either."""
        for root in ("/usr", "/usr/local", "{sys.base_prefix}"):
            pattern = f"f'{root}/lib*/python*/*-packages/*'"
            assert zygote.order("evaluate", f"glob.glob({pattern})") == []

    def test_nothing_is_writable(self, zygote: zygotes.Zygote) -> None:
        """Not even for the user that bubblewrap runs as: nodes without uids of their own would meet there."""
        places = "['/', '/dev', '/etc', '/site', '/usr', '/work', *filter(os.path.isdir, sys.path)]"
        writable = zygote.order("evaluate", f"[p for p in {places} if os.statvfs(p).f_flag & os.ST_RDONLY == 0]")
        assert writable == []

    def test_the_environment_is_new(self, zygote: zygotes.Zygote) -> None:
        names = set(zygote.order("evaluate", "list(os.environ)"))
        assert names <= {"PATH", "PYTHONPATH", "LC_ALL", "PWD"}

    def test_the_zygote_is_the_first_process(self, zygote: zygotes.Zygote) -> None:
        assert zygote.order("evaluate", "os.getpid()") == 1
        assert zygote.order("evaluate", "os.uname().nodename") == "sandbox"

    def test_the_zygote_has_few_capabilities(self, zygote: zygotes.Zygote) -> None:
        bits = zygote.order("evaluate", "kernel.capabilities()[1]")
        names = {bit for bit in range(64) if bits >> bit & 1}
        assert names == ({5, 6, 7, 8, 21} if zygote.own_uids else {8, 21})

    def test_a_node_has_the_standard_library(self, zygote: zygotes.Zygote) -> None:
        """Also what is imported late, by a node that has another uid than the owner of the interpreter."""
        modules = "asyncio, ctypes, decimal, hashlib, json, queue, sqlite3, ssl, threading, zoneinfo, coverage"
        printed = zygote.run(f"import {modules}\nprint(zoneinfo.ZoneInfo('Europe/Vienna'))")
        assert printed == "Europe/Vienna"

    def test_a_node_can_start_python(self, zygote: zygotes.Zygote) -> None:
        run = "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(40 + 2)']))"
        assert zygote.run(run) == "b'42\\n'"


class TestCommand:
    def test_packages_are_added(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: BWRAP)
        monkeypatch.setattr(bubblewrap, "version", lambda bwrap: (0, 8, 0))
        command, environment = bubblewrap.zygote_command(["-m", "x"], packages=("pytest",))
        assert "/site/pytest" in command
        assert command[-4:] == [command[-4], "-P", "-m", "x"]
        assert environment["PYTHONPATH"] == "/site"

    def test_a_missing_package_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: BWRAP)
        monkeypatch.setattr(bubblewrap, "version", lambda bwrap: (0, 8, 0))
        with pytest.raises(SandboxUnavailable, match="no_such_package is missing"):
            bubblewrap.zygote_command([], packages=("no_such_package",))

    def test_missing_bubblewrap_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(SandboxUnavailable, match="not installed"):
            bubblewrap.zygote_command([])

    @pytest.mark.parametrize(("version", "disabled"), [((0, 6, 1), False), ((0, 8, 0), True), ((1, 0), True)])
    def test_user_namespaces_end_where_bubblewrap_can(
        self, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], disabled: bool
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: BWRAP)
        monkeypatch.setattr(bubblewrap, "version", lambda bwrap: version)
        monkeypatch.setattr(bubblewrap, "uid_range", lambda: range(0))
        command, _ = bubblewrap.zygote_command([])
        assert "--unshare-user" in command
        assert ("--disable-userns" in command) == disabled

    def test_every_site_packages_in_a_shown_folder_is_hidden(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where kata is installed into the interpreter itself, or into another one in the same folder."""
        root = tmp_path.resolve()
        installed = [root / "lib" / f"python3.{minor}" / "site-packages" for minor in (11, 14)]
        elsewhere = root / "share" / "course"
        for path in (*(path / "kata" / "content" / "graders" for path in installed), elsewhere / "graders"):
            path.mkdir(parents=True)
        monkeypatch.setenv("KATA_CONTENT", str(elsewhere))
        hidden = bubblewrap._hidden_directories([str(root)])
        assert {str(path) for path in installed} | {str(elsewhere / "graders")} == set(hidden)

    def test_nothing_is_shown_twice(self) -> None:
        shown = bubblewrap._shown_directories(bubblewrap._executable())
        assert "/usr" in shown
        assert all(not a.startswith(f"{b}/") for a in shown for b in shown)
        assert not any(path == sys.prefix for path in shown) or sys.prefix == sys.base_prefix


class TestUids:
    @pytest.mark.parametrize(
        ("uid", "capabilities", "mapping", "expected"),
        [
            (0, (1 << 64) - 1, "0 0 4294967295", range(1000, 2**31)),
            (0, (1 << 64) - 1, "0 100000 65536", range(1000, 65536)),
            (0, (1 << 64) - 1, "0 1000 1", range(0)),
            (0, 1 << 7, "0 0 4294967295", range(0)),
            (1000, (1 << 64) - 1, "0 0 4294967295", range(0)),
        ],
    )
    def test_who_can_give_them(
        self, monkeypatch: pytest.MonkeyPatch, uid: int, capabilities: int, mapping: str, expected: range
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(bubblewrap.kernel, "capabilities", lambda: (capabilities,) * 3)
        monkeypatch.setattr(Path, "read_text", lambda self: f"{mapping}\n")
        assert bubblewrap.uid_range() == expected


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The kernel's settings and the marks of containers, to be written by the test."""
    monkeypatch.setattr(sandbox, "_SYSCTL", tmp_path)
    monkeypatch.setattr("kata.sandbox.trial.in_container", (tmp_path / ".dockerenv").exists)
    monkeypatch.delenv("container", raising=False)
    sandbox.offer.cache_clear()
    yield tmp_path
    sandbox.offer.cache_clear()


def set_to(settings: Path, name: str, value: str) -> None:
    (settings / name).parent.mkdir(exist_ok=True)
    (settings / name).write_text(f"{value}\n")


REFUSED = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged "
    "user namespaces."
)


class TestExplain:
    def test_only_root_may(self, settings: Path) -> None:
        set_to(settings, "kernel/unprivileged_userns_clone", "0")
        summary, remedy = sandbox.explain(REFUSED, BWRAP)
        assert "root only" in summary
        assert "kernel.unprivileged_userns_clone=1" in remedy

    def test_none_are_allowed(self, settings: Path) -> None:
        set_to(settings, "user/max_user_namespaces", "0")
        summary, remedy = sandbox.explain("bwrap: Creating new namespace failed: ... (ENOSPC)", BWRAP)
        assert "no more user namespaces" in summary
        assert "user.max_user_namespaces" in remedy

    @pytest.mark.parametrize(
        "errors",
        [
            "bwrap: setting up uid map: Permission denied",
            "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
            "[Errno 1] new namespaces: Operation not permitted",
        ],
    )
    def test_apparmor(self, settings: Path, errors: str) -> None:
        set_to(settings, "kernel/apparmor_restrict_unprivileged_userns", "1")
        summary, remedy = sandbox.explain(errors, BWRAP)
        assert "AppArmor" in summary
        assert f"profile bwrap {BWRAP} flags=(unconfined) {{ userns, }}" in remedy

    def test_in_a_container(self, settings: Path) -> None:
        (settings / ".dockerenv").touch()
        summary, remedy = sandbox.explain(REFUSED, BWRAP)
        assert "container" in summary
        assert "--security-opt" in remedy

    def test_installed_set_user_id(self, settings: Path) -> None:
        summary, remedy = sandbox.explain("bwrap: --cap-add in setuid mode can be used only by root", BWRAP)
        assert "set-user-ID" in summary
        assert f"chmod u-s {BWRAP}" in remedy

    def test_anything_else_is_shown(self, settings: Path) -> None:
        summary, _ = sandbox.explain("one\nbwrap: Can't frobnicate\n", BWRAP)
        assert summary == "bubblewrap does not work here: bwrap: Can't frobnicate."


class TestOffer:
    @pytest.mark.bubblewrap
    def test_it_tells_what_is_active(self, settings: Path) -> None:
        offered = sandbox.offer()
        facts = dict(offered.facts)
        assert offered.available
        assert "namespaces" in facts["protections"]
        assert "seccomp" in facts["protections"]
        assert offered.summary.startswith("bubblewrap 0.")

    @pytest.mark.bubblewrap
    def test_a_refusal_is_explained(self, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A uid of its own for a node, without the right to change it: what confinement needs is refused."""
        monkeypatch.setattr(bubblewrap, "_ROOT_CAPABILITIES", ("CAP_SETUID",))
        monkeypatch.setattr(bubblewrap, "_USER_CAPABILITIES", ("CAP_SETUID",))
        offered = sandbox.offer()
        assert not offered.available
        assert "new namespaces: Operation not permitted" in offered.summary

    def test_not_installed(self, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        offered = sandbox.offer()
        assert not offered.available
        assert offered.summary == "bubblewrap is not installed."
        assert "apt-get install bubblewrap" in offered.remedy

    def test_it_never_hangs(self, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def hang() -> None:
            raise subprocess.TimeoutExpired("bwrap", 1)

        monkeypatch.setattr(shutil, "which", lambda name: BWRAP)
        monkeypatch.setattr(sandbox, "_try", hang)
        assert "did not answer" in sandbox.offer().summary

    def test_only_on_linux(self, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert sandbox.offer().summary == "bubblewrap needs Linux."


def test_what_the_report_says() -> None:
    info = sandbox.BubblewrapLauncher().info()
    assert info.for_grades
    assert "network" in info.isolates
    assert info.lacks
