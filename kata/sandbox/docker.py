"""The docker sandbox: one container a run, made through the engine's API, talked to by its stdin and stdout.

Only this file and `image.py` know the `docker` package, and import it when they need it: it costs 0.25 s.
"""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kata.errors import KataError, SandboxFailure, SandboxUnavailable
from kata.protocol import FIXED_HASHES
from kata.report.model import SandboxInfo
from kata.sandbox import Offer

if TYPE_CHECKING:
    from docker import APIClient

PACKAGES = "/opt/kata"
"""Where the image keeps the packages that the supervisor runs on."""

COMMAND = (
    *("python3", "-s", "-P", "-B", "-X", "utf8"),
    *("-m", "kata.supervisor", "--spawner", "uid", "--scratch", "/grader"),
)
"""No user site, no current directory on the path, no bytecode; the environment is ours and names the path."""

MEMORY_LIMIT = "512m"
TMPFS = {
    "/work": "rw,nosuid,nodev,noexec,size=64m,nr_inodes=4k,mode=0711",
    "/grader": "rw,nosuid,nodev,noexec,size=32m,nr_inodes=4k,mode=0700",
}
"""For students' processes and for the supervisor. They count as memory: their sum stays below its limit."""

SYSCTLS = {
    "kernel.shmmni": "0",
    "kernel.msgmni": "0",
    "kernel.sem": "0 0 0 0",
    "fs.mqueue.queues_max": "0",
}
"""No System V or POSIX IPC objects, through which two student processes could talk unseen."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
WRITE_SECONDS = 60.0
EXIT_SECONDS = 10.0
"""How long a container whose stdout has ended may take until the engine says that it has exited."""

REMOVAL_PAUSES_SECONDS = (0.0, 0.5, 2.0, 8.0)
"""Before each attempt to remove a container: the engine refuses while it has not noted the end of what it killed."""

STDERR_BYTES_KEPT = 16 * 1024
DRAIN_BYTES_MAX = 1024 * 1024
RECEIVE_BYTES = 64 * 1024
SEND_BYTES = 256 * 1024

NOT_NOW = (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that may not wait as long as it would have to."""

_START_IT = "Start it (`sudo systemctl start docker`, or Docker Desktop), and try again."
TRY_AGAIN = "Run it again; `kata doctor` shows whether the docker daemon is well."

RUN_LABEL = "kata.run"
HOST_LABEL = "kata.host"
OWNER_LABEL = "kata.owner"

DEFAULT_SOCKET = "/var/run/docker.sock"
OTHER_SANDBOX = "or take another sandbox with `--sandbox bubblewrap`"


# The daemon


class NoDaemon(SandboxUnavailable):
    """No docker daemon can be reached. (One that answers, and then refuses something, isn't meant.)"""


def connect(answer_seconds: float = ANSWER_SECONDS) -> APIClient:
    """A client of the daemon that DOCKER_HOST or the current docker context names, once it has answered.

    Each of its requests waits at most `answer_seconds` for bytes. Raises NoDaemon, within a few seconds,
    when none answers.
    """
    if _nothing_installed():
        raise NoDaemon(*_explain_connection(FileNotFoundError(), f"unix://{DEFAULT_SOCKET}"))
    import docker

    address = os.environ.get("DOCKER_HOST", "")
    try:
        options = _endpoint()
        address = options["base_url"].replace("http+unix://", "unix://")
        client = docker.APIClient(version="auto", timeout=CONNECT_SECONDS, **options)
    except Exception as error:  # the SDK lets ValueError, ImportError and others of its transports through
        raise NoDaemon(*_explain_connection(error, address)) from error
    client.timeout = (CONNECT_SECONDS, answer_seconds)
    return client


def offer() -> Offer:
    """Whether a docker daemon answers here, and what it is. Takes at most a few seconds."""
    try:
        client = connect(answer_seconds=CONNECT_SECONDS)
        with engine("ask the docker daemon what it is", SandboxUnavailable):
            engine_info = client.info()
    except SandboxUnavailable as error:
        return Offer(name="docker", available=False, summary=error.message, remedy=error.remedy)
    from kata.sandbox.image import image_state

    try:
        state = image_state(client)
    except KataError as error:
        return Offer(name="docker", available=False, summary=error.message, remedy=error.remedy)
    runtime = os.environ.get("KATA_DOCKER_RUNTIME") or engine_info.get("DefaultRuntime", "")
    return Offer(
        name="docker",
        available=True,
        summary=f"Docker Engine {engine_info.get('ServerVersion', '')} answers.",
        remedy="" if state.id else "`kata sandbox build` builds its image now rather than on first use.",
        facts=(
            ("image", f"{state.tag} on {state.base}" if state.id else "not built yet"),
            ("python", state.python or "known once the image is built"),
            ("runtime", runtime),
            ("cgroup", f"v{engine_info.get('CgroupVersion', '1')}"),
            ("kernel", engine_info.get("KernelVersion", "")),
        ),
    )


def _nothing_installed() -> bool:
    """Whether nothing names a daemon, so that a machine without docker need not load the SDK to say so."""
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    named = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    return not (named or config.exists() or Path(DEFAULT_SOCKET).exists())


def _endpoint() -> dict[str, Any]:
    """What `docker` on the command line would connect to: DOCKER_HOST, else the current context."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    options: dict[str, Any] = kwargs_from_env()
    if "base_url" in options:
        return options
    context = ContextAPI.get_current_context()
    if context is None or not context.Host:
        return {"base_url": f"unix://{DEFAULT_SOCKET}"}
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


@contextmanager
def engine(doing: str, kind: type[KataError] = SandboxFailure) -> Iterator[None]:
    """Turns what the SDK raises inside into an error of that kind. `doing` completes "Docker could not …"."""
    import docker.errors
    import urllib3

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise kind(f"Docker could not {doing}: {say(error)}.", "Run `kata sandbox build`.") from error
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        if any(isinstance(cause, FileNotFoundError | ConnectionError) for cause in _causes(error)):
            raise kind(f"Docker could not {doing}: its daemon no longer answers.", _START_IT) from error
        raise kind(f"Docker could not {doing}: {say(error)}.", _remedy(error)) from error


def _explain_connection(error: BaseException, address: str) -> tuple[str, str]:
    """Message and remedy for a daemon that could not be reached."""
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            f"You may not use the docker daemon at {address}: permission denied.",
            f"Add yourself to its group (`sudo usermod -aG docker $USER`) and log in again, {OTHER_SANDBOX}.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return (f"The host of the docker daemon at {address} is unknown.", "Correct or unset DOCKER_HOST.")
    if any("timed out" in str(cause) for cause in causes):
        return (
            f"The docker daemon at {address} did not answer within {CONNECT_SECONDS:g} s.",
            f"Correct or unset DOCKER_HOST, restart the daemon, {OTHER_SANDBOX}.",
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionError) for cause in causes):
        return (
            f"No docker daemon answers at {address}.",
            "Start it (`sudo systemctl start docker`, or Docker Desktop), name another with DOCKER_HOST, "
            f"{OTHER_SANDBOX}.",
        )
    where = f" at {address}" if address else ""
    return (
        f"The docker daemon{where} can't be used: {say(error)}.",
        f"Correct DOCKER_HOST or the docker context, {OTHER_SANDBOX}.",
    )


def _remedy(error: BaseException) -> str:
    if "runtime" in say(error).lower() and os.environ.get("KATA_DOCKER_RUNTIME"):
        return "Install the runtime that KATA_DOCKER_RUNTIME names and tell the daemon of it, or unset it."
    return "`kata doctor` shows the daemon's state; its own log says more."


def say(error: BaseException) -> str:
    """What an exception of the SDK says, on one line, without its class and its URL."""
    text = str(getattr(error, "explanation", None) or error) or type(error).__name__
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 400 else f"{line[:200]} … {line[-200:]}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps: requests and urllib3 keep causes in their arguments."""
    todo, seen = [error], set[int]()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        todo += [cause for cause in inner if isinstance(cause, BaseException)]


# The launcher


class DockerLauncher:
    """Starts supervisors, each as PID 1 of a container of its own. May be used by several threads.

    `image` is an image's id or tag. `command` is what runs in it in place of the supervisor.
    """

    name = "docker"
    is_lasting = True

    def __init__(self, image: str, *, client: APIClient | None = None, command: Sequence[str] = COMMAND) -> None:
        self._image = image
        self._command = list(command)
        self._client = client
        self._refused: dict[str, str] = {}
        self._swept = False

    def start(self, lanes: int = 1) -> DockerConnection:
        """Start a supervisor. The first call also removes what dead runs of this host have left.

        Raises SandboxUnavailable when the daemon doesn't answer, refuses the container, or lacks the image.
        """
        if self._client is None:
            self._client = connect()
        with engine("start a sandbox", SandboxUnavailable):
            connection = self._start(self._client, lanes)
        if not self._swept:
            self._swept = True
            with suppress(SandboxFailure):
                sweep(self._client)
        return connection

    def info(self) -> SandboxInfo:
        """What it isolates; what this daemon refused is known after the first start."""
        return SandboxInfo(
            name="docker",
            for_grades=True,
            isolates=("files", "memory", "network", "processes", "resources"),
            lacks=tuple(sorted(set(self._refused.values()))),
            image=self._image,
        )

    def _start(self, client: APIClient, lanes: int) -> DockerConnection:
        """Leaves out, one after the other, the flags that this daemon refuses and that we can do without."""
        from docker.errors import APIError

        while True:
            try:
                return self._start_once(client, lanes)
            except APIError as error:
                refused = self._dispensable_in(say(error))
                if not refused:
                    raise
                self._refused.update(refused)

    def _start_once(self, client: APIClient, lanes: int) -> DockerConnection:
        container = self._create(client, lanes)
        stream = None
        try:
            stream = client.attach_socket(container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            client.start(container)
        except BaseException:
            if stream is not None:
                _close_stream(stream)
            _remove(client, container)
            raise
        return DockerConnection(client, container, stream)

    def _create(self, client: APIClient, lanes: int) -> str:
        """Create the container, with every flag of "The docker line" in ARCHITECTURE.md; its id."""
        answer = client.create_container(
            self._image,
            name=f"kata-{secrets.token_hex(6)}",
            entrypoint=[*self._command, "--lanes", str(lanes)],
            user="0:0",
            working_dir="/",
            hostname="sandbox",
            environment={
                "PYTHONPATH": PACKAGES,
                "HOME": "/grader",
                "TMPDIR": "/grader",
                "LANG": "C.UTF-8",
                **FIXED_HASHES,
            },
            labels=owner_labels(),
            # An attached stdin ends with its first client: a host that dies closes the supervisor's stdin.
            stdin_open=True,
            stop_timeout=0,
            healthcheck={"test": ["NONE"]},
            host_config=self._host_config(client),
        )
        for warning in answer.get("Warnings") or ():
            if "discarded" in warning and "memory limit" in warning:
                self._refused["memory"] = "a limit on total memory"
            if "discarded" in warning and "PIDs limit" in warning:
                self._refused["pids"] = "a limit on the number of processes"
        return str(answer["Id"])

    def _host_config(self, client: APIClient) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        sysctls = {key: value for key, value in SYSCTLS.items() if key not in self._refused}
        config: dict[str, Any] = client.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=["SETUID", "SETGID", "KILL"],
            security_opt=["no-new-privileges"],
            ipc_mode="none",
            cgroupns=None if "cgroup" in self._refused else "private",
            pids_limit=128,
            mem_limit=MEMORY_LIMIT,
            memswap_limit=MEMORY_LIMIT,
            ulimits=[Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=256, hard=256)],
            log_config=LogConfig(type="none"),
            sysctls=sysctls,
            tmpfs=TMPFS,
            runtime=os.environ.get("KATA_DOCKER_RUNTIME") or None,
        )
        return config

    def _dispensable_in(self, message: str) -> dict[str, str]:
        """The flags in force that a refusal names, each with what is lacking without it."""
        in_force = [key for key in SYSCTLS if key not in self._refused]
        named = [key for key in in_force if key in message or key.replace(".", "/") in message]
        if "sysctl" in message and not named:
            named = in_force
        refused = {key: f"limits on shared IPC objects ({key})" for key in named}
        if "cgroup" in message.lower() and "namespace" in message.lower() and "cgroup" not in self._refused:
            refused["cgroup"] = "a private view of control groups"
        return refused


# One run


@dataclass(frozen=True, kw_only=True)
class DockerEnding:
    """How a container ended; see `kata.sandbox.Ending`."""

    status: int | None
    out_of_memory: bool
    errors: str


class DockerConnection:
    """The attached stdin and stdout of one container; see `kata.sandbox.Connection`. For one thread."""

    def __init__(self, client: APIClient, container: str, stream: Any) -> None:
        self.container = container
        self._client = client
        self._stream = stream
        # The SDK wraps sockets of Unix and TCP in a read-only file; TLS and SSH come bare.
        self._socket = getattr(stream, "_sock", stream)
        self._frames = _Frames()
        self._ended = False
        self._ending: DockerEnding | None = None

    def write(self, data: bytes) -> None:
        """Send bytes to its stdin. SandboxFailure when it has ended, or takes nothing for a minute."""
        left = memoryview(data)
        # Its output is taken meanwhile: where it ends, nobody would ever read what we write.
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while left and not self._ended:
                events = selector.select(WRITE_SECONDS)
                if not events:
                    raise SandboxFailure("The sandbox took no input for a minute.", TRY_AGAIN)
                if events[0][1] & selectors.EVENT_READ:
                    with suppress(TimeoutError):
                        self._receive(0.0)
                if events[0][1] & selectors.EVENT_WRITE:
                    left = left[self._send(left[:SEND_BYTES]) :]
        if left:
            raise SandboxFailure("The sandbox ended before it had read all its input.", TRY_AGAIN)

    def read(self, size: int, timeout_seconds: float) -> bytes:
        """Up to `size` bytes of its stdout; b"" at its end. TimeoutError when none came in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self._frames.out and not self._ended:
            self._receive(max(0.0, deadline - time.monotonic()))
        return self._frames.take(size)

    def close(self) -> DockerEnding:
        """Remove the container and all that ran in it; say how it had ended. Idempotent, raises nothing."""
        if self._ending is None:
            self._drain()
            state, problem = self._state()
            _close_stream(self._stream)
            problem += _remove(self._client, self.container)
            running = state.get("Running", True)
            self._ending = DockerEnding(
                status=None if running else int(state.get("ExitCode", 0)),
                out_of_memory=bool(state.get("OOMKilled", False)),
                errors=self._frames.errors.decode("utf-8", "replace") + problem,
            )
        return self._ending

    def _send(self, data: memoryview) -> int:
        """Send what the socket takes at once; how many bytes that were."""
        self._socket.settimeout(0.0)
        try:
            return int(self._socket.send(data))
        except NOT_NOW:
            return 0
        except OSError as error:
            self._ended = True
            raise SandboxFailure(f"The sandbox took no more input: {say(error)}.", TRY_AGAIN) from error

    def _receive(self, seconds: float) -> None:
        """Take what comes within that time. TimeoutError when nothing does."""
        self._socket.settimeout(seconds)
        try:
            received = self._socket.recv(RECEIVE_BYTES)
        except NOT_NOW:
            raise TimeoutError("The sandbox sent nothing in time.") from None
        except OSError as error:
            self._ended = True
            raise SandboxFailure(f"The connection to the docker daemon broke: {say(error)}.", TRY_AGAIN) from error
        self._ended = not received
        self._frames.feed(received)

    def _drain(self) -> None:
        """Take what has already come, to learn whether it has ended, and its last words on stderr."""
        taken = 0
        with suppress(TimeoutError, SandboxFailure):
            while not self._ended and taken < DRAIN_BYTES_MAX:
                self._receive(0.0)
                taken += len(self._frames.take(RECEIVE_BYTES)) + 1

    def _state(self) -> tuple[dict[str, Any], str]:
        """The engine's account of the container, and what went wrong in asking for it."""
        try:
            if self._ended:
                # Its output ends before the engine has noted its exit, and with that an OOM kill.
                with suppress(SandboxFailure), engine("wait for the sandbox"):
                    self._client.wait(self.container, timeout=EXIT_SECONDS)
            with engine("say how the sandbox ended"):
                return dict(self._client.inspect_container(self.container)["State"]), ""
        except SandboxFailure as error:
            return {}, f"\n{error.message}"


class _Frames:
    """Takes apart the engine's stream: frames of stream number, three zeros, big-endian length, payload."""

    HEADER = struct.Struct(">BxxxL")
    STREAMS = (0, 1, 2)

    def __init__(self) -> None:
        self.out = bytearray()
        self.errors = bytearray()
        self._pending = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, received: bytes) -> None:
        self._pending += received
        while self._pending and (self._left or self._begin()):
            payload = self._pending[: self._left]
            del self._pending[: len(payload)]
            self._left -= len(payload)
            if self._stream == 1:
                self.out += payload
            else:
                self.errors = (self.errors + payload)[-STDERR_BYTES_KEPT:]

    def take(self, size: int) -> bytes:
        taken = bytes(self.out[:size])
        del self.out[:size]
        return taken

    def _begin(self) -> bool:
        """Read the next frame's header; whether it has come whole."""
        if len(self._pending) < self.HEADER.size:
            return False
        self._stream, self._left = self.HEADER.unpack_from(self._pending)
        del self._pending[: self.HEADER.size]
        if self._stream not in self.STREAMS:
            raise SandboxFailure(
                "The docker daemon sent a stream that isn't in its format.", "See what DOCKER_HOST leads to."
            )
        return True


def _close_stream(stream: Any) -> None:
    """Close the attached connection whatever its transport: the answer, its file, and the socket below."""
    bare = getattr(stream, "_sock", stream)
    steps: tuple[Callable[[], object], ...] = (
        lambda: bare.shutdown(socket.SHUT_RDWR),
        lambda: stream._response.close(),
        stream.close,
        bare.close,
    )
    for step in steps:
        with suppress(OSError, AttributeError):
            step()


def _remove(client: APIClient, container: str, attempts: int = len(REMOVAL_PAUSES_SECONDS)) -> str:
    """Kill and remove a container with its volumes; what went wrong, or "" also when it was gone already."""
    from docker.errors import APIError, NotFound

    problem = ""
    for pause in REMOVAL_PAUSES_SECONDS[:attempts]:
        time.sleep(pause)
        try:
            with engine("remove the sandbox"):
                client.remove_container(container, force=True, v=True)
            return ""
        except SandboxFailure as error:
            if isinstance(error.__cause__, NotFound):
                return ""
            problem = error.message
            if not isinstance(error.__cause__, APIError):
                break  # nobody answers
    # Somebody else's removal that takes long is none of our trouble.
    return "" if "already in progress" in problem else f"\n{problem}"


# Who owns a container


def owner_labels() -> dict[str, str]:
    """Labels of a container that this process makes, by which `sweep` knows whether its owner lives."""
    return {RUN_LABEL: secrets.token_hex(8), HOST_LABEL: _host(), OWNER_LABEL: _process(os.getpid())}


def sweep(client: APIClient) -> list[str]:
    """Remove the containers of this host's kata processes that have died; the names of those removed.

    Those of living processes stay, and of other hosts that share the daemon. Each is tried once: who starts a run does
    not wait for the end of another. Raises SandboxFailure.
    """
    with engine("list its containers"):
        listed = client.containers(all=True, filters={"label": [RUN_LABEL, f"{HOST_LABEL}={_host()}"]})
    dead = [each for each in listed if not _alive(each["Labels"].get(OWNER_LABEL, ""))]
    return [each["Names"][0].lstrip("/") for each in dead if not _remove(client, each["Id"], attempts=1)]


def _host() -> str:
    """This machine, and the view of processes in which our ids mean something: a container has its own."""
    try:
        view = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        view = "1"
    return f"{socket.gethostname()}/{view}"


def _process(pid: int) -> str:
    """A process's id and start time, which together are never used twice; "" when there is no such one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in parentheses may hold anything; the start time is the 20th field behind it.
        return f"{pid}/{stat.rpartition(')')[2].split()[19]}"
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    ps = ["ps", "-o", "lstart=", "-p", str(pid)]
    started = "-".join(subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split())
    return f"{pid}/{started}" if started else ""


def _alive(owner: str) -> bool:
    pid = owner.partition("/")[0]
    return not pid.isdecimal() or _process(int(pid)) == owner
