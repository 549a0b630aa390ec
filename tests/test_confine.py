"""What confined code can't do, and that nothing of it stays: each attack is run, in every kind of
confinement."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import zygotes
from conftest import MISSING

from kata.student import confine, kernel, landlock, leftovers, seccomp

LINUX = sys.platform == "linux"
CLONE_NEWUSER = 0x10000000
X32 = 0x40000000
BUBBLEWRAP = pytest.mark.bubblewrap


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other users can enter, as pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="kata-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(
    scope="module",
    params=[
        "uid",
        pytest.param("namespaces", marks=BUBBLEWRAP),
        pytest.param("namespaces of a user", marks=BUBBLEWRAP),
    ],
)
def zygote(request: pytest.FixtureRequest, folder: Path) -> Iterator[zygotes.Zygote]:
    """One of each kind that isolates."""
    if request.param != "namespaces" and os.geteuid() != 0:
        pytest.skip(f"{MISSING} root, to test confinement by user id and for another user.")
    if request.param == "uid":
        running = zygotes.under_uids(folder / "uid")
    elif request.param == "namespaces":
        running = zygotes.in_bubblewrap()
    else:
        running = zygotes.in_bubblewrap_as_another(folder / "another")
    yield running
    running.close()


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[zygotes.Zygote]:
    running = zygotes.plainly(folder / "plain")
    yield running
    running.close()


def code(text: str) -> str:
    return textwrap.dedent(text)


SYSTEM_CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(number, *arguments):
    "The name of the error, or 'done'."
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) >= 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]
"""


class TestSystemCalls:
    def test_every_denied_call_is_denied(self, zygote: zygotes.Zygote) -> None:
        column = ("x86_64", "aarch64").index(kernel.MACHINE)
        numbers = {name: both[column] for name, both in seccomp.DENIED.items() if both[column] is not None}
        printed = zygote.run(f"{SYSTEM_CALL}\nprint({{n: call(i, 0, 0, 0, 0, 0, 0) for n, i in {numbers}.items()}})")
        assert eval(printed) == dict.fromkeys(numbers, "EPERM")

    def test_what_locks_its_own_files_works(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run(
            code("""
            import fcntl, shelve, sqlite3
            for mode in ("delete", "wal"):
                one, other = sqlite3.connect(mode), sqlite3.connect(mode)
                one.execute(f"pragma journal_mode={mode}")
                one.execute("create table t (a)")
                for each in (one, other):
                    each.execute("insert into t values (1)")
                    each.commit()
                print(*one.execute("select count(*) from t").fetchone(), end=" ")
            with shelve.open("kept") as kept:
                kept["a"] = 3
            with shelve.open("kept") as kept, open("file", "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                fcntl.lockf(file, fcntl.LOCK_EX)
                print(kept["a"])
            """)
        )
        assert printed == "2 2 3"

    def test_no_new_namespaces_by_clone(self, zygote: zygotes.Zygote) -> None:
        clone = {"x86_64": 56, "aarch64": 220}[kernel.MACHINE]
        printed = zygote.run(f"{SYSTEM_CALL}\nprint(call({clone}, {CLONE_NEWUSER | 17}, 0, 0, 0, 0), call(435, 0, 0))")
        assert printed == "EPERM ENOSYS"

    @pytest.mark.skipif(kernel.MACHINE != "x86_64", reason="only there")
    def test_no_second_set_of_numbers(self, zygote: zygotes.Zygote) -> None:
        assert zygote.run(f"{SYSTEM_CALL}\nprint(call({X32 + 39}))") == "EPERM"

    def test_no_sockets_but_pairs(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run(
            code("""
            import asyncio, socket
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, 40):
                try:
                    socket.socket(family, socket.SOCK_DGRAM)
                except PermissionError:
                    print("no", end=" ")
            one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                one.bind(chr(0) + "meet")
            except PermissionError:
                print("no")
            one.send(b"hello")
            print(other.recv(9))
            print(asyncio.run(asyncio.to_thread(lambda: "a loop and a thread")))
            """)
        )
        assert printed.splitlines() == ["no no no no no no", "b'hello'", "a loop and a thread"]


class TestIdentity:
    def test_no_privilege_is_left(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run(
            code("""
            import os
            from kata.student import kernel
            print(active)
            print(len(set(os.getresuid())), os.getresuid() == os.getresgid(), 0 in os.getresuid())
            print(os.getgroups(), kernel.capabilities(), kernel.prctl(39), kernel.prctl(3))
            for change in (os.setuid, os.setgid):
                try:
                    change(0)
                except OSError:
                    print("no")
            """)
        ).splitlines()
        assert set(eval(printed[0])) >= {"no capabilities", "no_new_privs", "rlimits", "seccomp"}
        assert ("own uid" in printed[0]) == zygote.own_uids
        assert ("namespaces" in printed[0]) == (zygote.mode == "namespaces")
        assert printed[1:] == ["1 True False", "[] (0, 0, 0) 1 0", "no", "no"]

    def test_landlock_is_used_where_the_kernel_has_it(self, zygote: zygotes.Zygote) -> None:
        assert ("landlock" in zygote.run("print(active)")) == (landlock.version() > 0)

    def test_signals_reach_nobody_else(self, zygote: zygotes.Zygote) -> None:
        other = zygote.spawn("print('ready', flush=True); import signal; signal.pause()")
        assert other.line() == "ready"
        printed = zygote.run(
            code(f"""
            import os, signal
            def kill(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except (PermissionError, ProcessLookupError):
                    return "no"
                return "done"
            print(kill({other.pid}), os.getppid() in (0, 1) or kill(os.getppid()), kill(-1))
            """)
        )
        alive = zygote.order("evaluate", f"os.waitid(os.P_PID, {other.pid}, os.WEXITED | os.WNOHANG | os.WNOWAIT)")
        status = other.destroy()
        assert alive is None
        assert status == signal.SIGKILL
        # In a pid namespace the numbers of other processes mean nothing, or oneself.
        assert zygote.mode == "namespaces" or printed.split()[:2] == ["no", "no"]

    def test_a_node_has_a_session_of_its_own_and_a_low_priority(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run("import os; print(os.getsid(0) == os.getpid(), os.getpriority(0, 0), os.umask(0))")
        nice = zygote.order("evaluate", "os.getpriority(0, 0)")
        assert printed == f"True {min(19, nice + confine.NICE)} 63"


class TestFiles:
    def test_only_its_own_directory_is_writable(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run(
            code("""
            import os
            with open("mine", "w") as file:
                file.write("x")
            print(oct(os.stat("mine").st_mode & 0o777), os.listdir())
            for path in ("/", "/tmp", "/dev", "/dev/shm", "/usr", "/etc", "/site", "/proc/self", ".."):
                try:
                    os.close(os.open(f"{path}/theirs", os.O_CREAT | os.O_WRONLY))
                    print(path)
                except OSError:
                    pass
            """)
        )
        assert printed == "0o600 ['mine']"

    def test_a_node_sees_nothing_of_the_one_before(self, zygote: zygotes.Zygote) -> None:
        mess = """
            import os
            open("left", "w").write("x")
            os.symlink("/etc", "link")
            os.mkfifo("pipe")
            os.makedirs("locked/inner/more")
            open("locked/inner/file", "w").write("x")
            os.chmod("locked/inner", 0)
            os.chmod("locked", 0)
            for _ in range(1500):
                os.mkdir("deep", 0o700)
                os.chdir("deep")
            print("done")
        """
        first = zygote.spawn(code(mess))
        assert first.rest() == "done"
        first.destroy()
        assert zygote.run("import os; print(os.listdir())", directory=first.confinement["directory"]) == "[]"
        if zygote.mode == "uid":
            assert not list(Path(first.confinement["directory"]).parent.iterdir())

    def test_nodes_at_the_same_time_don_t_share_files(self, zygote: zygotes.Zygote) -> None:
        first = zygote.spawn(
            "open('secret', 'w').write('x'); print('ready', flush=True); import signal; signal.pause()"
        )
        assert first.line() == "ready"
        second = zygote.run(
            code(f"""
            import os
            try:
                print("secret" in os.listdir({first.confinement["directory"]!r}))
            except PermissionError:
                print(False)
            """)
        )
        first.destroy()
        assert second == "False"

    @pytest.mark.parametrize("path", ["/proc/1/environ", "/proc/1/mem", "/proc/1/root", "/proc/1/fd", "/proc/1/maps"])
    def test_other_processes_can_t_be_looked_at(self, zygote: zygotes.Zygote, path: str) -> None:
        printed = zygote.run(f"import os\ntry:\n    os.listdir({path!r})\nexcept OSError as e: print(type(e).__name__)")
        assert printed in ("PermissionError", "FileNotFoundError", "NotADirectoryError")
        printed = zygote.run(f"try:\n    open({path!r}, 'rb').read(1)\nexcept OSError as e: print(type(e).__name__)")
        assert printed in ("PermissionError", "FileNotFoundError")


class TestLimits:
    def test_memory(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run("try:\n    bytearray(10**9)\nexcept MemoryError: print('no')")
        assert printed == "no"

    def test_processes(self, zygote: zygotes.Zygote) -> None:
        forks = """
            import os, signal
            count = 0
            try:
                while count < 200:
                    if os.fork() == 0:
                        signal.pause()
                    count += 1
            except BlockingIOError:
                print(count)
        """
        node = zygote.spawn(code(forks), processes=7)
        assert int(node.line()) <= (6 if zygote.own_uids else 6 + 64)
        node.destroy()

    def test_open_files(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run(
            "import os\ntry:\n    [os.pipe() for _ in range(200)]\nexcept OSError as e: print(e.errno)"
        )
        assert printed == str(errno.EMFILE)

    def test_the_size_of_a_file(self, zygote: zygotes.Zygote) -> None:
        write = "try:\n    open('big', 'wb').write(bytes(3 << 20))\nexcept OSError as e: print(e.errno)"
        assert zygote.run(write, file_mib=2) == str(errno.EFBIG)

    def test_the_size_of_all_files(self, zygote: zygotes.Zygote) -> None:
        if zygote.mode == "uid":
            return  # The container's tmpfs has that limit.
        fill = """
            try:
                for number in range(9):
                    open(str(number), "wb").write(bytes(1 << 20))
            except OSError as error:
                print(number, error.errno)
        """
        assert zygote.run(code(fill), tmpfs_mib=4) == f"4 {errno.ENOSPC}"

    def test_cpu_time(self, zygote: zygotes.Zygote) -> None:
        node = zygote.spawn("while True: pass", cpu_seconds=1)
        assert node.rest() == ""
        assert os.WTERMSIG(node.destroy() or 0) in (signal.SIGKILL, signal.SIGXCPU)

    def test_no_core_dumps_and_no_queues(self, zygote: zygotes.Zygote) -> None:
        printed = zygote.run("import resource as r; print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_MSGQUEUE))")
        assert printed == "(0, 0) (0, 0)"

    def test_a_limit_can_t_be_raised(self, zygote: zygotes.Zygote) -> None:
        raise_it = """
            import resource
            try:
                resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            except (ValueError, OSError):
                print("no")
        """
        assert zygote.run(code(raise_it)) == "no"


FORK_BOMB = """
    import os
    print("ready", flush=True)
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
DAEMONS = """
    import os, signal
    for number in range(5):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(s, signal.SIG_IGN)
                while True:
                    signal.pause()
            os._exit(0)
    print("ready", flush=True)
"""
STOPPED = """
    import os, signal
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    signal.pause()
"""
ZOMBIES = """
    import os, signal
    for number in range(10):
        if os.fork() == 0:
            os._exit(0)
    print("ready", flush=True)
    signal.pause()
"""
THREADS = """
    import threading, time
    for number in range(10):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    print("ready", flush=True)
"""
EXEC = """
    import os, subprocess, sys
    subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"], start_new_session=True)
    print("ready", flush=True)
"""


class TestDestroy:
    @pytest.mark.parametrize("attack", [FORK_BOMB, DAEMONS, STOPPED, ZOMBIES, THREADS, EXEC])
    def test_nothing_runs_on(self, zygote: zygotes.Zygote, attack: str) -> None:
        zygote.spawn("pass").destroy()  # it has answered, so it is there to be counted
        before = zygotes.processes_of(zygote)
        node = zygote.spawn(code(attack))
        assert node.line() == "ready"
        node.destroy()
        assert zygotes.processes_of(zygote) == before

    def test_the_others_live_on(self, zygote: zygotes.Zygote) -> None:
        other = zygote.spawn("print('ready', flush=True); import os, signal; signal.pause()")
        assert other.line() == "ready"
        bomb = zygote.spawn(code(FORK_BOMB))
        assert bomb.line() == "ready"
        bomb.destroy()
        alive = zygote.order("evaluate", f"os.waitid(os.P_PID, {other.pid}, os.WEXITED | os.WNOHANG | os.WNOWAIT)")
        assert alive is None
        assert other.destroy() == signal.SIGKILL

    def test_it_says_how_each_ended(self, zygote: zygotes.Zygote) -> None:
        quick = zygote.spawn("import os; os._exit(7)")
        slow = zygote.spawn("import signal; signal.pause()")
        assert quick.rest() == ""
        assert slow.destroy() == signal.SIGKILL
        assert os.waitstatus_to_exitcode(quick.destroy() or 0) == 7

    def test_the_zygote_s_end_is_everybody_s(self, folder: Path, zygote: zygotes.Zygote) -> None:
        doomed = zygotes.under_uids(folder / "doomed") if zygote.mode == "uid" else zygotes.in_bubblewrap()
        nodes = [doomed.spawn("print('ready', flush=True); import signal; signal.pause()") for _ in range(2)]
        assert [node.line() for node in nodes] == ["ready", "ready"]
        everybody = zygotes.processes_of(doomed)
        doomed.process.kill()
        doomed.close()
        assert len(everybody) >= 3
        assert all(zygotes.ended(pid) for pid in everybody)


class TestFailsClosed:
    def test_without_a_uid_of_its_own(self, zygote: zygotes.Zygote) -> None:
        if not zygote.own_uids:
            return  # That user has but one.
        printed = zygote.run("print('student code runs')", uid=None)
        assert "can't be the user id of a node" in printed
        assert "student code runs" not in printed

    def test_without_the_right_to_change_it(self, folder: Path) -> None:
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        unable = zygotes.plainly(folder / "powerless", powerless)
        printed = unable.spawn("print('student code runs')", mode="uid", uid=zygotes.UID_BASE).rest()
        unable.close()
        assert "PermissionError" in printed
        assert "student code runs" not in printed

    def test_halfway(self, zygote: zygotes.Zygote, folder: Path) -> None:
        """A node that could not enter its directory is ended, and its directory removed."""
        if zygote.mode != "uid":
            return  # There it is a tmpfs that no other can see.
        locked = folder / "uid" / "work" / "locked"
        locked.mkdir(mode=0o700)
        printed = zygote.run("print('student code runs')", directory=str(locked / "node"))
        assert "PermissionError" in printed
        assert "student code runs" not in printed
        assert not list(locked.iterdir())
        locked.rmdir()

    def test_outside_of_namespaces(self, plain: zygotes.Zygote) -> None:
        """A node that some other fork has made isn't the first process of a namespace."""
        c = confine.Confinement(
            mode="namespaces",
            directory="/",
            uid=None,
            memory_mib=1,
            processes=1,
            cpu_seconds=1,
            file_mib=1,
            tmpfs_mib=1,
        )
        with pytest.raises(OSError, match="first process"):
            confine._mount_own_directory(c)


class TestPlain:
    def test_it_limits_and_cleans_up(self, plain: zygotes.Zygote) -> None:
        node = plain.spawn("import os; os.mkdir('locked', 0); print(active, os.getsid(0) == os.getpid())")
        assert node.rest() == ("('rlimits',) True" if LINUX else "('rlimits but for memory',) True")
        assert node.destroy() == 0
        assert not Path(node.confinement["directory"]).exists()

    @pytest.mark.parametrize("attack", [DAEMONS, STOPPED, EXEC])
    def test_nothing_runs_on_once_all_nodes_are_gone(self, plain: zygotes.Zygote, attack: str) -> None:
        node = plain.spawn(code(attack))
        assert node.line() == "ready"
        node.destroy()
        assert zygotes.processes_of(plain) == {plain.process.pid}

    def test_memory(self, plain: zygotes.Zygote) -> None:
        assert plain.run("try:\n    bytearray(10**9)\nexcept MemoryError: print('no')") == ("no" if LINUX else "")


class TestLeftovers:
    def test_whatever_is_there_goes(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_text("x")
        own = tmp_path / "own"
        (own / "a" / "b" / "c").mkdir(parents=True)
        (own / "a" / "b" / "file").write_text("x")
        (own / "link").symlink_to(tmp_path)
        (own / "a" / "link").symlink_to(tmp_path)
        os.mkfifo(own / "a" / "pipe")
        os.mkdir(os.fsencode(own) + b"/\xff\xfe")
        (own / "a" / "b").chmod(0)
        (own / "a").chmod(0)
        leftovers.empty(str(own))
        assert [path.name for path in tmp_path.iterdir()] in (["kept", "own"], ["own", "kept"])
        assert not list(own.iterdir())

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs" / "file").write_text("x")
        (tmp_path / "own").symlink_to(tmp_path / "theirs")
        with pytest.raises(OSError, match="own"):
            leftovers.empty(str(tmp_path / "own"))
        assert (tmp_path / "theirs" / "file").exists()


ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, DENY, ABSENT = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
PRETEND = 0x50000


def verdict(program: bytes, architecture: int, number: int, argument: int = 0, second: int = 0) -> int:
    """What a filter answers, by carrying out its instructions as the kernel would."""
    words = {0: number, 4: architecture, 16: argument, 24: second}
    steps = list(struct.iter_unpack("=HBBI", program))
    value = at = 0
    while True:
        operation, if_true, if_false, operand = steps[at]
        at += 1
        if operation == 0x06:
            return int(operand)
        if operation == 0x20:
            value = words[operand]
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
class TestFilter:
    def test_exactly_the_denied_calls_are_denied(self, machine: str) -> None:
        column = tuple(ARCHITECTURES).index(machine)
        program = seccomp.program(machine)
        denied = {both[column] for both in seccomp.DENIED.values()} - {None}
        found = {n for n in range(1024) if verdict(program, ARCHITECTURES[machine], n, 1) == DENY}
        assert found == denied
        assert verdict(program, ARCHITECTURES[machine], seccomp.CLONE3) == ABSENT
        assert verdict(program, ARCHITECTURES[machine], X32) == DENY

    def test_what_depends_on_an_argument(self, machine: str) -> None:
        column = tuple(ARCHITECTURES).index(machine)
        program, architecture = seccomp.program(machine), ARCHITECTURES[machine]
        clone, socketpair = (56, 220)[column], (53, 199)[column]
        for new in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
            assert verdict(program, architecture, clone, new | signal.SIGCHLD) == DENY
        assert verdict(program, architecture, clone, 0x3D0F00) == ALLOW  # a thread
        assert verdict(program, architecture, clone, 0x1200011) == ALLOW  # a fork
        assert verdict(program, architecture, socketpair, socket.AF_UNIX) == ALLOW
        assert verdict(program, architecture, socketpair, 30) == DENY

    def test_locks_are_only_pretended(self, machine: str) -> None:
        column = tuple(ARCHITECTURES).index(machine)
        program, architecture = seccomp.program(machine), ARCHITECTURES[machine]
        flock, fcntl = (73, 32)[column], (72, 25)[column]
        assert verdict(program, architecture, flock, 3, 2) == PRETEND
        found = {command: verdict(program, architecture, fcntl, 3, command) for command in range(1100)}
        assert {command for command, what in found.items() if what == PRETEND} == {6, 7, 37, 38}
        assert {command for command, what in found.items() if what == DENY} == {1024, 1026}

    def test_the_other_architecture_is_killed(self, machine: str) -> None:
        program = seccomp.program(machine)
        for name, architecture in {**ARCHITECTURES, "i386": 0x40000003, "arm": 0x40000028}.items():
            assert (verdict(program, architecture, 39) == KILL) == (name != machine)

    def test_what_a_kernel_takes(self, machine: str) -> None:
        assert len(seccomp.program(machine)) // 8 <= 4096


def test_a_machine_without_a_filter_has_none() -> None:
    assert seccomp.program("riscv64") == b""
    assert not seccomp.load(b"")


def test_what_is_read_never_includes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/", "/usr/lib", *sys.path])
    paths = landlock.readable()
    assert "/" not in paths
    assert "/usr" in paths
    assert "/usr/lib" not in paths
    assert all(stat.S_ISDIR(os.stat(path).st_mode) or path.endswith(".zip") for path in paths)
