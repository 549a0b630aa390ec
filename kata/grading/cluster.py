"""Several student processes that run one submission: each has a name, a network and a disk, and can crash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kata.grading.fakes import refuse, remote
from kata.grading.network import Endpoint, Network
from kata.supervisor.proxies import Module, Object, named
from kata.supervisor.world import World

STORAGE_BYTES_MAX = 1_000_000


class Storage:
    """What is on a process's disk: one value, which survives its crashes."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        """What was saved last; None: nothing ever was."""
        self.saves = 0
        """How often something was saved."""


class Disk:
    """A storage in the hands of one life of a process, which alone can call it.

    A save replaces what was there before. It is atomic, and durable when it returns.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @remote(told=False)
    def save(self, data: bytes) -> None:
        """Replace what is there. TypeError when it isn't bytes, OSError when it is more than 1 MB."""
        if not isinstance(data, bytes):
            refuse(TypeError(f"storage.save takes bytes, not {type(data).__name__}"))
        if len(data) > STORAGE_BYTES_MAX:
            refuse(OSError(f"No space left on device: {len(data):,} bytes, and it holds {STORAGE_BYTES_MAX:,}"))
        self._storage.data = data
        self._storage.saves += 1

    @remote(told=False)
    def load(self) -> bytes | None:
        """What was saved last, or None."""
        return self._storage.data


@dataclass(frozen=True)
class Member:
    """What a process of a cluster is given when it starts."""

    name: str
    peers: list[str]
    """The others' names, in order."""
    net: Endpoint
    storage: Disk


Build = Callable[[Module, Member], Object]


class Cluster:
    """Processes of one submission by name: `cluster["n1"].put("k", b"v")`.

    `build(student, member)` constructs in a process the object that answers for it, also after each restart; a message
    calls that object's `receive(sender, message)`. All start at the same virtual moment, before any message arrives.

        cluster.crash("n1")                      kill -9, now
        cluster.crash_at_send("n1", 2)           when it would send its third message from now
        cluster.start("n1")                      again, with what its storage holds
        with cluster.crashed("n1", "n2"): ...    both, one after the other
    """

    def __init__(self, world: World, names: Sequence[str], build: Build, delay_seconds: float = 0.05) -> None:
        self.names = list(names)
        self.net = Network(world, delay_seconds)
        self.storage = {name: Storage() for name in self.names}
        self._world = world
        self._build = build
        self._students: dict[str, Module] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._objects: dict[str, Object] = {}
        self.net.expect(self.names)
        for name in self.names:
            self._start(name)

    def __getitem__(self, name: str) -> Object:
        """The object of a process that is up. KeyError when it is down."""
        return self._objects[name]

    def up(self) -> list[str]:
        """The names of the processes that are up, in order."""
        return [name for name in self.names if name in self._objects]

    def crash(self, name: str) -> None:
        """Kill that process. Its memory is gone, its calls end as killed, and messages to it are lost."""
        self.net.detach(name)
        del self._objects[name]
        self._students.pop(name).kill()
        self._world.faults += 1

    def crash_at_send(self, name: str, sends: int, *, leaves: bool = False) -> None:
        """Crash it when it has sent so many messages more, in the place of the next, which never leaves it.

        With `leaves` the next one does leave it, and it crashes before it can do anything more.
        """
        self._endpoints[name].after_sends(sends, lambda: self.crash(name), leaves=leaves)

    def call_off_crashes(self) -> None:
        """What `crash_at_send` has set and what has not happened yet will not happen."""
        for endpoint in self._endpoints.values():
            endpoint.after_sends(None)

    def start(self, name: str) -> None:
        """Start a process that has crashed again. RuntimeError when it is up."""
        if name in self._objects:
            raise RuntimeError(f"{name} is up")
        self._world.faults -= 1
        self._world.note(f"{name} starts again", process=name)
        self._start(name)

    def start_all(self) -> None:
        """Start every process that is down again."""
        for name in self.names:
            if name not in self._objects:
                self.start(name)

    @contextlib.contextmanager
    def crashed(self, *names: str) -> Iterator[None]:
        """Those processes are down meanwhile, and start again afterwards."""
        for name in names:
            self.crash(name)
        yield
        for name in names:
            if name not in self._objects:
                self.start(name)

    def _start(self, name: str) -> None:
        student = self._world.student(name)
        endpoint = self.net.endpoint(name, student)
        disk = self._world.expose(Disk(self.storage[name]), "storage", to=student)
        peers = [peer for peer in self.names if peer != name]
        replica = named(name, self._build(student, Member(name, peers, endpoint, disk)))
        self._students[name], self._endpoints[name], self._objects[name] = student, endpoint, replica
        self.net.attach(name, replica.receive)
