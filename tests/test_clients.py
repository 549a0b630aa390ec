"""The client of the `websockets` package talks to an object in a student process, in virtual time."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from kata.grading import StudentError
from kata.grading.clients import PATIENCE_SECONDS, talk
from kata.grading.websocket import Peer, kind
from kata.supervisor.failures import CheckFailed, failed
from kata.wire import Record

REFERENCE = Path(__file__).resolve().parent.parent / "solutions" / "20-websockets" / "websocket_server.py"


@pytest.fixture
def server(world_of):
    """Makes a world around the reference, in which `changes` are made, and the client's side of a connection to it."""

    def server(*changes: tuple[str, str], seed: int = 1):
        source = REFERENCE.read_text("utf-8")
        for old, new in changes:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        world = world_of(source, seed=seed)
        return world, Peer(world, world.student().WebSocketServer())

    return server


def echo(peer):
    """What the server does: it sends each message back."""

    def answer(event):
        if kind(event) == "Message":
            peer.connection.send(event.data)

    return answer


async def say_hello(websocket):
    await websocket.send("hello")
    return await websocket.recv()


def test_they_talk(server) -> None:
    world, peer = server()
    assert talk(world, peer, say_hello, echo(peer)) == "hello"
    assert world.clock.now == 0


def test_every_event_is_told_to_the_end(server) -> None:
    world, peer = server()
    events: list[Record] = []
    talk(world, peer, say_hello, lambda event: (events.append(event), echo(peer)(event)))
    assert events == [
        Record("Opened", path="/prices"),
        Record("Message", data="hello"),
        Record("Closed", code=1000, reason=""),
    ]


def test_a_long_message_comes_in_pieces(server) -> None:
    world, peer = server()
    sent = bytes(range(256)) * 2_000

    async def client(websocket):
        await websocket.send(sent)
        return await websocket.recv()

    assert talk(world, peer, client, echo(peer)) == sent


def test_the_client_s_masks_come_from_the_seed(server) -> None:
    def heard(seed: int) -> list[bytes]:
        world, peer = server(seed=seed)
        pieces: list[bytes] = []
        feed = peer.feed
        peer.feed = lambda data: feed(pieces.extend(data) or pieces[-len(data) :])
        talk(world, peer, say_hello, echo(peer))
        return pieces

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)


def test_its_timers_are_virtual(server) -> None:
    world, peer = server()

    async def client(websocket):
        await asyncio.sleep(30)
        return await say_hello(websocket)

    assert talk(world, peer, client, echo(peer)) == "hello"
    assert world.clock.now == 30


def test_who_waits_for_what_never_comes_is_found_at_once(server) -> None:
    world, peer = server()
    with pytest.raises(CheckFailed, match="waits, and the server has nothing more to send") as failure:
        talk(world, peer, say_hello, lambda event: None)
    assert failure.value.failure.kind == "deadlock"
    assert world.clock.now <= PATIENCE_SECONDS


def test_a_frame_that_the_client_refuses_is_a_failure(server) -> None:
    world, peer = server(("first, size = 0x80 | opcode, len(payload)", "first, size = 0xC0 | opcode, len(payload)"))
    with pytest.raises(CheckFailed, match="gave up: ConnectionClosedError") as failure:
        talk(world, peer, say_hello, echo(peer))
    assert failure.value.failure.kind == "wrong-answer"


def test_a_handshake_that_the_client_refuses_is_a_failure(server) -> None:
    world, peer = server(("258EAFA5", "258EAFA6"))
    with pytest.raises(CheckFailed, match=r"gave up: .*Sec-WebSocket-Accept"):
        talk(world, peer, say_hello, echo(peer))


def test_the_client_goes_nowhere_else(server) -> None:
    """It runs in the supervisor, which in some sandboxes has the host's network."""
    head = "HTTP/1.1 302 Found\\r\\nContent-Length: 0\\r\\nLocation: ws://127.0.0.1:9/"
    world, peer = server(("HTTP/1.1 101 Switching Protocols", head))
    with pytest.raises(CheckFailed, match=r"gave up: ValueError: cannot follow redirect to ws://127.0.0.1:9/"):
        talk(world, peer, say_hello, echo(peer))


def test_what_the_student_raises_is_raised(server) -> None:
    world, peer = server(("        self._input += data\n", "        raise LookupError('no such thing')\n"))
    with pytest.raises(StudentError, match="no such thing"):
        talk(world, peer, say_hello, echo(peer))


def test_what_the_answer_raises_is_raised(server) -> None:
    world, peer = server()

    def answer(event):
        raise ValueError("a check's own")

    with pytest.raises(ValueError, match="a check's own"):
        talk(world, peer, say_hello, answer)


def test_a_check_that_fails_within_the_client_fails(server) -> None:
    world, peer = server()

    async def client(websocket):
        raise failed("wrong-answer", "not this")

    with pytest.raises(CheckFailed, match="not this"):
        talk(world, peer, client, echo(peer))


def test_a_submission_has_no_such_package(world_of) -> None:
    world = world_of(
        """
        def has():
            try:
                import websockets
            except ModuleNotFoundError:
                return False
            return True
        """
    )
    assert importlib.util.find_spec("websockets"), "installed here"
    assert world.student().has() is False
