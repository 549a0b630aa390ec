"""Real clients that talk to a student's sans-I/O object over a real socket, in virtual time.

    client (asyncio) ──bytes──▶ socket pair ──bytes──▶ receive_data ─┐
                     ◀──bytes──             ◀──bytes── data_to_send ◀┘ events, answered

Both ends of the socket are in this process, on one event loop. So when nothing is ready, nothing ever comes but by a
timer: then virtual time moves to the next one, and without one the client waits for ever, which is found at once. No
port is opened, nothing waits in real time, and a run is the same each time.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from kata.grading.websocket import Peer, kind
from kata.supervisor.failures import CheckFailed, failed
from kata.supervisor.world import World
from kata.wire import shown

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Result = TypeVar("Result")

PATIENCE_SECONDS = 60.0
"""Virtual time within which the client must have done what it has to do."""


def talk(
    world: World,
    peer: Peer,
    client: Callable[[ClientConnection], Coroutine[Any, Any, Result]],
    answer: Callable[[Any], object],
) -> Result:
    """Have the client of the `websockets` package talk to a student's `WebSocketServer`; what `client` returns.

    `peer` is a fresh one, before its opening. `client(websocket)` is an `async def` that is given the opened
    connection. `answer(event)` is called for each event of the student's object; what that has to send afterwards is
    sent, and after `Closed` or `Rejected` the socket is closed. A failure when the client refuses what it gets, or
    waits for what never comes.
    """
    loop = _VirtualLoop(world)
    ours, theirs = socket.socketpair()
    try:
        with mock.patch("secrets.token_bytes", world.random.randbytes):  # masks and keys, by the run's seed
            result: Result = loop.run_until_complete(_Talk(loop, peer, answer).run(client, ours, theirs))
            return result
    finally:
        ours.close()
        theirs.close()
        loop.close()


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is the world's. `on_idle()` is called when nothing can ever happen any more."""

    def __init__(self, world: World) -> None:
        super().__init__(_VirtualSelector(self))
        self._world = world
        self._ends = world.clock.now + PATIENCE_SECONDS
        self.on_idle: Callable[[], None] = _nobody_waits

    def time(self) -> float:
        return self._world.clock.now

    def pass_time(self, seconds: float | None) -> None:
        """Nothing is ready: go on to the next timer, if there is one within the client's patience."""
        if seconds is None or self.time() + seconds > self._ends:
            self.on_idle()
        else:
            self._world.clock.advance(seconds)


class _VirtualSelector(selectors.DefaultSelector):
    """Where an ordinary selector would sleep, virtual time passes."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._loop.pass_time(timeout)
        return ready


def _nobody_waits() -> None:
    raise RuntimeError("the loop is idle before anything was begun")


class _Talk:
    """One conversation: the client's task, and the server's end of the socket."""

    def __init__(self, loop: _VirtualLoop, peer: Peer, answer: Callable[[Any], object]) -> None:
        self._peer = peer
        self._answer = answer
        self._broken: asyncio.Future[Any] = loop.create_future()
        """Fails when the conversation can't go on, by whosever fault."""
        self._transport: asyncio.Transport | None = None
        loop.on_idle = self._wait_in_vain

    async def run(self, client: Callable[[ClientConnection], Any], ours: socket.socket, theirs: socket.socket) -> Any:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_accepted_socket(lambda: _Server(self), sock=ours)
        talking = asyncio.create_task(_client(client, theirs))
        await asyncio.wait({talking, self._broken}, return_when=asyncio.FIRST_COMPLETED)
        self._transport.abort()
        if not self._broken.done():
            return self._outcome(talking)
        talking.cancel()
        await asyncio.wait({talking})
        if not talking.cancelled():
            talking.exception()  # seen: what broke the conversation says more
        return self._broken.result()

    def hear(self, data: bytes) -> None:
        """What the client has sent; empty: it has hung up."""
        if self._broken.done():
            return
        try:
            self._serve(data)
        except BaseException as error:
            self._broken.set_exception(error)

    def _serve(self, data: bytes) -> None:
        assert self._transport is not None
        over = not data
        for event in self._peer.feed([data]) if data else self._peer.hang_up():
            self._answer(event)
            over = over or kind(event) in ("Closed", "Rejected")
        self._transport.write(self._peer.heard_bytes())
        if over:
            self._transport.close()

    def _wait_in_vain(self) -> None:
        """As soon as the task that notices has run, the loop is idle no more."""
        if self._broken.done():
            raise RuntimeError("the client does not end")
        self._broken.set_exception(
            failed(
                "deadlock",
                "The client of the `websockets` package waits, and the server has nothing more to send.",
                expected="what the client waits for",
                got="no more bytes",
                advice="Compare the last calls in the transcript with what `data_to_send` returned after them.",
            )
        )

    @staticmethod
    def _outcome(talking: asyncio.Task[Any]) -> Any:
        error = talking.exception()
        if error is None or isinstance(error, CheckFailed):
            return talking.result()
        chain = " ".join(f"({type(cause).__name__}: {cause})" for cause in [error.__cause__] if cause is not None)
        said = f"{type(error).__name__}: {error} {chain}".strip()
        raise failed(
            "wrong-answer",
            f"The client of the `websockets` package gave up: {said}.",
            expected="a conversation that this client takes part in",
            got=shown(said),
            advice="It is strict: what it refuses, browsers refuse too.",
        ) from error


async def _client(talk: Callable[[ClientConnection], Any], sock: socket.socket) -> Any:
    # Only now: nobody but this exercise's grader needs the package, and it takes a while to import.
    from websockets.asyncio.client import connect

    # Pings of its own would go on for ever, and bring the events of a run out of the grader's hands.
    async with connect("ws://prices.example/prices", sock=sock, ping_interval=None) as websocket:
        return await talk(websocket)


class _Server(asyncio.Protocol):
    """The server's end of the socket: bytes to the student's object, and what that answers."""

    def __init__(self, talk: _Talk) -> None:
        self._talk = talk

    def data_received(self, data: bytes) -> None:
        self._talk.hear(data)

    def eof_received(self) -> None:
        self._talk.hear(b"")
