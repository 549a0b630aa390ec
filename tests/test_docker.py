"""The docker launcher, with small commands in place of the supervisor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from kata.errors import SandboxFailure, SandboxUnavailable
from kata.sandbox import docker
from kata.sandbox.docker import DockerConnection, DockerLauncher, connect, offer, sweep
from kata.sandbox.image import ensure

PATIENCE_SECONDS = 60.0

ECHO = """
import sys
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(7)
"""

Start = Callable[[str], DockerConnection]


@pytest.fixture
def start(docker_image: str) -> Iterator[Start]:
    """Starts a Python program in a sandbox; ends it with the test."""
    connections: list[DockerConnection] = []

    def start_program(program: str) -> DockerConnection:
        connections.append(launcher(docker_image, program).start())
        return connections[-1]

    yield start_program
    for connection in connections:
        connection.close()


def launcher(image: str, program: str) -> DockerLauncher:
    return DockerLauncher(image, command=["python3", "-s", "-P", "-B", "-c", textwrap.dedent(program)])


def read_all(connection: DockerConnection) -> bytes:
    """Everything that comes until stdout ends."""
    pieces = iter(lambda: connection.read(1 << 20, PATIENCE_SECONDS), b"")
    return b"".join(pieces)


def read_exactly(connection: DockerConnection, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += connection.read(size - len(received), PATIENCE_SECONDS)
    return received


def exists(container: str) -> bool:
    return bool(connect().containers(all=True, filters={"id": container}))


@contextmanager
def unanswering_daemon(folder: Path) -> Iterator[str]:
    """The address of a daemon that takes connections, and never says a word."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
        listener.listen()
        yield f"unix://{folder}/docker.sock"


# The pipe


@pytest.mark.docker
def test_what_goes_in_comes_out(start: Start) -> None:
    connection = start("""
        import sys
        data = sys.stdin.buffer.read(3_000_000)
        sys.stdout.buffer.write(data[::-1])
        print("a word", file=sys.stderr)
        sys.exit(7)
    """)
    connection.write(b"ab" * 1_500_000)
    assert read_all(connection) == b"ba" * 1_500_000
    ending = connection.close()
    assert (ending.status, ending.out_of_memory, ending.errors) == (7, False, "a word\n")
    assert connection.close() is ending


@pytest.mark.docker
def test_its_stdin_stays_open_until_close(start: Start) -> None:
    connection = start(ECHO)
    for word in (b"one\n", b"two\n"):
        connection.write(word)
        assert read_exactly(connection, len(word)) == word
    assert connection.close().status is None


@pytest.mark.docker
def test_a_read_gives_up_in_time(start: Start) -> None:
    connection = start(ECHO)
    for seconds in (0.0, 0.01):
        with pytest.raises(TimeoutError):
            connection.read(10, seconds)
    connection.write(b"still there\n")
    assert read_exactly(connection, 12) == b"still there\n"


@pytest.mark.docker
def test_only_the_end_of_its_stderr_is_kept(start: Start) -> None:
    connection = start("""
        import sys
        sys.stderr.write("x" * 1_000_000 + "the end")
        print("done")
    """)
    assert read_all(connection) == b"done\n"
    errors = connection.close().errors
    assert errors.endswith("xthe end")
    assert len(errors) == docker.STDERR_BYTES_KEPT


@pytest.mark.docker
def test_writing_to_what_has_ended_is_our_failure(start: Start) -> None:
    connection = start("import sys; sys.stdin.buffer.read(1000); sys.exit(3)")
    with pytest.raises(SandboxFailure, match=r"ended before it had read all|took no more input"):
        connection.write(bytes(16 << 20))
    assert connection.close().status == 3


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_frames_may_be_cut_anywhere(size: int) -> None:
    stream = b"".join(
        bytes([number, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload
        for number, payload in [(1, b"out"), (2, b"error"), (1, b""), (1, b"put"), (2, b"s")]
    )
    frames = docker._Frames()
    for at in range(0, len(stream), size):
        frames.feed(stream[at : at + size])
    assert (frames.take(4), frames.take(99), bytes(frames.errors)) == (b"outp", b"ut", b"errors")


def test_a_stream_in_another_format_is_refused() -> None:
    with pytest.raises(SandboxFailure, match="isn't in its format"):
        docker._Frames().feed(b"HTTP/1.1 500")


# What it withstands


@pytest.mark.docker
def test_the_whole_docker_line_is_in_force(start: Start) -> None:
    connection = start(ECHO)
    account = connect().inspect_container(connection.container)
    host = account["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert sorted(host["CapAdd"]) in (
        ["KILL", "SETGID", "SETUID"],
        ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"],
    )
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["IpcMode"] == "none"
    assert host["PidsLimit"] == 128
    assert host["Memory"] == host["MemorySwap"] == 512 * 1024 * 1024
    assert {(each["Name"], each["Soft"], each["Hard"]) for each in host["Ulimits"]} == {
        ("core", 0, 0),
        ("nofile", 256, 256),
    }
    assert host["LogConfig"]["Type"] == "none"
    assert host["Tmpfs"] == docker.TMPFS
    assert not host["Binds"]
    assert not host["Privileged"]
    config = account["Config"]
    assert config["Hostname"] == "sandbox"
    assert config["StdinOnce"] is True
    assert config["StopTimeout"] == 0
    assert config["Labels"]["kata.run"]


@pytest.mark.docker
def test_the_kernel_agrees(start: Start) -> None:
    connection = start("""
        import json, os, resource
        def read(path):
            with open(path) as file:
                return file.read()
        def refused(path):
            try:
                open(path, "w").close()
            except OSError as error:
                return type(error).__name__
        status = dict(line.split(":\\t", 1) for line in read("/proc/self/status").splitlines())
        mounts = {line.split()[1]: line.split()[3].split(",") for line in read("/proc/mounts").splitlines()}
        print(json.dumps({
            "capabilities": int(status["CapBnd"], 16),
            "no new privileges": status["NoNewPrivs"].strip(),
            "seccomp": status["Seccomp"].strip(),
            "interfaces": os.listdir("/sys/class/net"),
            "uid": os.getuid(),
            "host": os.uname().nodename,
            "root": refused("/opt/kata/written"),
            "shm": os.path.exists("/dev/shm"),
            "sysctls": {
                key: read("/proc/sys/" + key).split()
                for key in ("kernel/shmmni", "kernel/msgmni", "kernel/sem", "fs/mqueue/queues_max")
            },
            "modes": {name: oct(os.stat(name).st_mode)[-4:] for name in ("/work", "/grader")},
            "options": {name: mounts[name] for name in ("/work", "/grader")},
            "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE),
            "environment": sorted(os.environ),
        }))
    """)
    facts = json.loads(read_all(connection))
    kill, setgid, setuid = 5, 6, 7
    assert facts["capabilities"] == 1 << kill | 1 << setgid | 1 << setuid
    assert facts["no new privileges"] == "1"
    assert facts["seccomp"] == "2"
    assert facts["interfaces"] == ["lo"]
    assert (facts["uid"], facts["host"]) == (0, "sandbox")
    assert facts["root"] == "OSError"
    assert not facts["shm"]
    assert all(set(values) == {"0"} for values in facts["sysctls"].values()), facts["sysctls"]
    assert facts["modes"] == {"/work": "0711", "/grader": "0700"}
    for options in facts["options"].values():
        assert {"nosuid", "nodev", "noexec"} <= set(options)
    assert facts["descriptors"] == [256, 256]
    assert not [name for name in facts["environment"] if name.startswith(("DOCKER", "KATA"))]


@pytest.mark.docker
def test_what_the_engine_shares_is_closed_to_students(start: Start) -> None:
    connection = start("""
        import os
        from kata.supervisor.container import SHARED, close_shared_places
        close_shared_places()
        os.setresuid(4711, 4711, 4711)
        for path in (*SHARED, "/proc/1/cmdline", "/proc/1/comm", "/dev/ptmx"):
            try:
                os.listdir(path) if os.path.isdir(path) else open(path).close()
                print("open", path)
            except OSError as error:
                print(type(error).__name__)
    """)
    assert read_all(connection).decode().split() == ["PermissionError"] * 5


@pytest.mark.docker
def test_too_much_memory_is_told_from_other_ends(start: Start) -> None:
    connection = start("""
        print("begun", flush=True)
        hoard = [bytearray(b"x" * (16 << 20)) for _ in range(64)]
        print("survived")
    """)
    assert read_all(connection) == b"begun\n"
    ending = connection.close()
    assert ending.out_of_memory
    assert ending.status == 128 + signal.SIGKILL


@pytest.mark.docker
def test_a_refused_kernel_setting_is_done_without_and_told(docker_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(docker.SYSCTLS, "fs.mqueue.unheard_of", "0")
    started = launcher(docker_image, "print('runs')")
    connection = started.start()
    try:
        assert read_all(connection) == b"runs\n"
    finally:
        connection.close()
    assert started.info().lacks == ("limits on shared IPC objects (fs.mqueue.unheard_of)",)
    assert started.info().image == docker_image


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("OCI runtime create failed: write sysctl key kernel.msgmni: permission denied", {"kernel.msgmni"}),
        ("open /proc/sys/kernel/sem: no such file or directory", {"kernel.sem"}),
        ("sysctls are not supported here", set(docker.SYSCTLS)),
        ("cgroup namespace isn't enabled in the kernel", {"cgroup"}),
        ("no space left on device", set()),
        ("memory limit: cgroup is not mounted", set()),
    ],
)
def test_only_what_can_be_spared_is_left_out(message: str, refused: set[str]) -> None:
    assert set(DockerLauncher("image")._dispensable_in(message)) == refused


# Nothing is left behind


@pytest.mark.docker
def test_close_leaves_nothing_behind(docker_image: str) -> None:
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for program in ("print('ends')", ECHO):
        connection = launcher(docker_image, program).start()
        assert exists(connection.container)
        connection.close()
        assert not exists(connection.container)
        del connection
    if sys.platform == "linux":
        # One kept-alive connection for each launcher's client goes when the client does.
        assert len(os.listdir("/proc/self/fd")) <= before + 2


class StubbornClient:
    """An engine that answers the first removals with refusals."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.asked = 0

    def remove_container(self, container: str, **options: Any) -> None:
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)


BUSY = APIError("cannot remove container: tried to kill container, but did not receive an exit event")
GOING = APIError("removal of container f00 is already in progress")


@pytest.mark.parametrize(
    ("refusals", "asked", "problem"),
    [
        ([], 1, ""),
        ([BUSY, BUSY], 3, ""),
        ([BUSY, NotFound("no such container")], 2, ""),
        ([BUSY] * 9, 4, "did not receive an exit event"),
        ([GOING] * 9, 4, ""),
        ([ConnectionRefusedError()] * 9, 1, "no longer answers"),
    ],
)
def test_an_engine_that_is_busy_is_asked_again(
    refusals: list[Exception], asked: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "REMOVAL_PAUSES_SECONDS", (0.0,) * 4)
    client = StubbornClient(*refusals)
    said = docker._remove(client, "f00")  # type: ignore[arg-type] # it has what is called
    assert client.asked == asked
    assert (problem in said) if problem else said == ""


def test_who_does_not_wait_asks_once() -> None:
    client = StubbornClient(BUSY)
    assert "exit event" in docker._remove(client, "f00", attempts=1)  # type: ignore[arg-type] # it has what is called
    assert client.asked == 1


@pytest.mark.docker
def test_a_failed_start_leaves_nothing_behind(docker_image: str) -> None:
    with pytest.raises(SandboxUnavailable, match="no-such-program"):
        DockerLauncher(docker_image, command=["no-such-program"]).start()
    assert not [
        each
        for each in connect().containers(all=True, filters={"label": docker.OWNER_LABEL})
        if each["Labels"][docker.OWNER_LABEL] == docker._process(os.getpid()) and each["State"] == "created"
    ]


@pytest.mark.docker
def test_a_killed_host_ends_its_container_and_the_next_one_sweeps_it(docker_image: str, start: Start) -> None:
    living = start(ECHO)
    program = f"""
        from kata.sandbox.docker import DockerLauncher
        connection = DockerLauncher({docker_image!r}, command=["python3", "-c", {ECHO!r}]).start()
        print(connection.container, flush=True)
        input()
    """
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        text=True,
    )
    with host:
        assert host.stdout is not None
        container = host.stdout.readline().strip()
        assert not sweep(connect()), "A living process's container was swept."
        host.kill()
    client = connect()
    assert client.wait(container, timeout=PATIENCE_SECONDS)["StatusCode"] == 7, "It outlived its host."
    sweep(client)
    assert not exists(container)
    assert exists(living.container)


def test_a_process_is_known_by_its_start_too() -> None:
    own = docker._process(os.getpid())
    assert docker._alive(own)
    assert not docker._alive(f"{os.getpid()}/0")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert not docker._alive(f"{ended.pid}/1")
    assert docker._alive(""), "What we can't read is not ours to remove."


# What people are told


@pytest.mark.docker
def test_an_answering_daemon_is_offered(docker_image: str) -> None:
    ensure(lambda line: None)
    offered = offer()
    assert offered.available
    assert offered.summary.startswith("Docker Engine ")
    facts = dict(offered.facts)
    assert facts["image"].startswith("kata-sandbox:")
    assert facts["python"].startswith("3.")


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_a_missing_daemon_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    offered = offer()
    assert not offered.available
    assert offered.summary == f"No docker daemon answers at {address}."
    assert "--sandbox bubblewrap" in offered.remedy
    with pytest.raises(docker.NoDaemon):
        DockerLauncher("image").start()


def test_a_machine_without_docker_need_not_load_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(docker, "DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setitem(sys.modules, "docker", None)
    assert offer().summary == f"No docker daemon answers at unix://{tmp_path}/docker.sock."


def test_a_daemon_that_says_nothing_does_not_hang_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(docker, "CONNECT_SECONDS", 0.2)
    with unanswering_daemon(tmp_path) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert offer().summary == f"The docker daemon at {address} did not answer within 0.2 s."


def test_a_wrong_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "gopher://somewhere")
    offered = offer()
    assert "gopher://somewhere can't be used" in offered.summary
    assert "DOCKER_HOST" in offered.remedy


def test_a_forbidden_socket_is_told() -> None:
    import requests
    import urllib3

    cause: Any = urllib3.exceptions.ProtocolError("Connection aborted.", PermissionError(13, "denied"))
    message, remedy = docker._explain_connection(requests.ConnectionError(cause), "unix:///run/docker.sock")
    assert message == "You may not use the docker daemon at unix:///run/docker.sock: permission denied."
    assert "usermod -aG docker" in remedy


@pytest.mark.parametrize("reason", [ConnectionRefusedError(111, "Connection refused"), FileNotFoundError(2, "No such")])
def test_a_daemon_that_goes_is_told(reason: OSError) -> None:
    import requests
    import urllib3

    cause: Any = urllib3.exceptions.ProtocolError("Connection aborted.", reason)
    with pytest.raises(SandboxFailure) as told, docker.engine("start a sandbox"):
        raise requests.ConnectionError(cause)
    assert told.value.message == "Docker could not start a sandbox: its daemon no longer answers."
    assert told.value.remedy.startswith("Start it (`sudo systemctl start docker`")


def test_an_unknown_host_is_told() -> None:
    message, _ = docker._explain_connection(socket.gaierror(-2, "Name not known"), "tcp://nowhere:2375")
    assert message == "The host of the docker daemon at tcp://nowhere:2375 is unknown."


@pytest.mark.docker
def test_a_missing_image_is_told() -> None:
    with pytest.raises(SandboxUnavailable) as told:
        DockerLauncher("kata-sandbox:never-built").start()
    assert "kata sandbox build" in told.value.remedy


@pytest.mark.docker
def test_an_unknown_runtime_is_told(docker_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATA_DOCKER_RUNTIME", "never-installed")
    with pytest.raises(SandboxUnavailable) as told:
        launcher(docker_image, ECHO).start()
    assert "KATA_DOCKER_RUNTIME" in told.value.remedy
