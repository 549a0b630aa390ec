"""WebSocket frames in the grader's hands, by the examples of RFC 6455; and what a peer and a subscriber do."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kata.grading import StudentError, settle
from kata.grading.websocket import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    REQUEST,
    TEXT,
    Frame,
    Peer,
    Subscriber,
    binary,
    bytewise,
    client_frame,
    close,
    close_codes,
    closing,
    fragments,
    kind,
    request,
    response,
    server_frames,
    splits,
    text,
    whole,
)
from kata.supervisor.failures import CheckFailed
from kata.wire import Record

# ---------------------------------------------------------------- frames


def test_the_examples_of_the_rfc() -> None:
    """RFC 6455, section 5.7."""
    assert text("Hello") == bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert client_frame(PONG, b"Hello") == bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert client_frame(TEXT, b"Hello", masked=False) == bytes.fromhex("81 05 48 65 6c 6c 6f")
    assert server_frames(bytes.fromhex("01 03 48 65 6c 80 02 6c 6f")) == [
        Frame(TEXT, b"Hel", fin=False),
        Frame(CONTINUATION, b"lo"),
    ]


def test_the_key_of_the_rfc() -> None:
    """RFC 6455, section 1.3."""
    key = REQUEST["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert base64.b64encode(hashlib.sha1(key).digest()).decode() == ACCEPT


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, "80"), (125, "fd"), (126, "fe007e"), (65_535, "feffff"), (65_536, "ff0000000000010000")],
)
def test_each_length_has_its_shortest_form(size: int, length: str) -> None:
    head = b"\x82" + bytes.fromhex(length) + MASK
    frame = binary(bytes(size))
    assert frame[: len(head)] == head
    assert len(frame) == len(head) + size


@given(st.integers(0, 15), st.binary(max_size=300), st.booleans(), st.booleans())
def test_what_is_made_is_read_again(opcode: int, payload: bytes, fin: bool, masked: bool) -> None:
    frame = client_frame(opcode, payload, fin=fin, masked=masked)
    assert server_frames(frame * 2) == [Frame(opcode, payload, fin)] * 2


def test_what_is_forbidden_can_be_made() -> None:
    assert client_frame(TEXT, reserved=4)[0] == 0xC1
    assert client_frame(PING, fin=False)[0] == 0x09
    assert client_frame(TEXT, announced=2**62) == b"\x81\xff" + (2**62).to_bytes(8, "big") + MASK
    assert client_frame(TEXT, b"x", announced=3)[1] == 0x83


def test_a_message_in_fragments() -> None:
    frames = fragments(TEXT, [b"a", b"", b"b"])
    assert [server_frames(frame)[0] for frame in frames] == [
        Frame(TEXT, b"a", False),
        Frame(CONTINUATION, b"", False),
        Frame(CONTINUATION, b"b", True),
    ]
    assert fragments(BINARY, [b"alone"]) == [binary(b"alone")]


def test_closes() -> None:
    assert server_frames(close()) == [Frame(CLOSE, b"")]
    assert server_frames(close(1000, b"bye")) == [Frame(CLOSE, b"\x03\xe8bye")]
    assert closing(4999) == b"\x13\x87"


@pytest.mark.parametrize("sent", [text("hello"), binary(bytes(130)), client_frame(BINARY, bytes(70_000), masked=False)])
def test_a_frame_that_is_cut_off_is_a_failure(sent: bytes) -> None:
    for at in (1, 2, 3, 5, len(sent) - 1):
        with pytest.raises(CheckFailed, match="ends in the middle of a frame"):
            server_frames(text("whole") + sent[:at])


def test_cuts() -> None:
    assert whole(b"abc").pieces == (b"abc",)
    assert bytewise(b"abc").pieces == (b"a", b"b", b"c")
    assert [cut.pieces for cut in splits(b"abc")] == [(b"a", b"bc"), (b"ab", b"c")]
    assert [cut.name for cut in splits(b"ab")] == ["in two pieces, cut after byte 1"]


# ---------------------------------------------------------------- the opening


def test_a_request_and_what_is_changed_in_it() -> None:
    lines = request("/a?b=c").split(b"\r\n")
    assert lines[0] == b"GET /a?b=c HTTP/1.1"
    assert lines[-2:] == [b"", b""]
    assert {line.partition(b": ")[0].decode() for line in lines[1:-2]} == set(REQUEST)
    assert request(start="POST / HTTP/1.1").startswith(b"POST / HTTP/1.1\r\n")
    assert b"Host" not in request(host=None)
    changed = request(sec_websocket_key="x", cookie="y")
    assert changed.count(b"Sec-WebSocket-Key: x\r\n") == changed.count(b"Key") == 1
    assert b"\r\nCookie: y\r\n" in changed


def test_a_response_is_read() -> None:
    answer = response(b"HTTP/1.1 101 Come in\r\nUpgrade:websocket\r\nX-Y:  z \r\n\r\nrest")
    assert answer == (101, {"upgrade": "websocket", "x-y": "z"}, b"rest")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 101 x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"ICY 200 OK\r\n\r\n"])
def test_what_is_no_response_is_a_failure(sent: bytes) -> None:
    with pytest.raises(CheckFailed, match="not the head of an HTTP response"):
        response(sent)


# ---------------------------------------------------------------- a peer

SERVER = """
    from dataclasses import dataclass

    @dataclass
    class Opened:
        path: str
    @dataclass
    class Message:
        data: bytes
    @dataclass
    class Closed:
        code: int
        reason: str
    @dataclass
    class Pong:
        wrong_field: str

    class WebSocketServer:
        def __init__(self, accepts=True, answer=None):
            self.opened, self.accepts, self.answer, self.out = False, accepts, answer, b""
        def receive_data(self, data):
            if not self.opened:
                self.opened = True
                self.out = b"HTTP/1.1 %d x\\r\\n\\r\\n\\x89\\x00" % (101 if self.accepts else 400)
                return [Opened("/prices")]
            self.out += b"\\x82" + bytes([len(data)]) + data
            return {"none": None, "text": ["event"], "field": [Pong("x")]}.get(self.answer, [Message(data)])
        def receive_eof(self):
            return [Closed(1006, "")]
        def handle_timer(self):
            return []
        def data_to_send(self):
            data, self.out = self.out, b""
            return "text" if self.answer == "str" else data
"""


def peer_of(world, **options) -> Peer:
    return Peer(world, world.student().WebSocketServer(**options))


def test_a_peer_opens_and_speaks(world_of) -> None:
    peer = peer_of(world_of(SERVER))
    assert peer.open() == []
    assert peer.send(b"a", b"b") == [Record("Message", data=b"ab")]
    assert peer.feed([b"1", b"2"]) == [Record("Message", data=b"1"), Record("Message", data=b"2")]
    assert peer.feed_apart([b"3", b"4"]) == [[Record("Message", data=b"3")], [Record("Message", data=b"4")]]
    # What came behind the answer to the opening is heard first.
    payloads = [frame.payload for frame in peer.heard()]
    assert payloads == [b"", b"ab", b"1", b"2", b"3", b"4"]
    assert peer.heard_bytes() == b""
    assert peer.wake() == []
    events = peer.hang_up()
    assert [kind(event) for event in events] == ["Closed"]
    assert close_codes([Record("Message", data=b""), *events]) == [1006]


def test_a_peer_opens_and_sends_in_one_call(world_of) -> None:
    peer = peer_of(world_of(SERVER))
    events = peer.open_and_send(bytewise(b"ab"), b"later", what="two letters")
    assert [event.data for event in events] == [b"a", b"b", b"later"]
    assert [frame.payload for frame in peer.heard()] == [b"", b"a", b"b", b"later"]


def test_an_opening_that_is_not_accepted_is_a_failure(world_of) -> None:
    with pytest.raises(CheckFailed, match="was not accepted"):
        peer_of(world_of(SERVER), accepts=False).open()


@pytest.mark.parametrize("answer", ["none", "text", "field"])
def test_what_is_no_list_of_events_is_a_failure(world_of, answer: str) -> None:
    peer = peer_of(world_of(SERVER), answer=answer)
    peer.open()
    for call in (lambda: peer.send(b"x"), lambda: peer.feed([b"x", b"y"])):
        with pytest.raises(CheckFailed, match="receive_data returned"):
            call()


def test_what_is_to_be_sent_is_bytes(world_of) -> None:
    with pytest.raises(CheckFailed, match="data_to_send returned 'text'"):
        peer_of(world_of(SERVER), answer="str").heard_bytes()


# ---------------------------------------------------------------- who subscribes

WRITER = """
    async def write(client, data):
        await client.write(data)
    async def abort(client):
        client.abort()
"""


def test_a_subscriber_takes_what_is_written(world_of) -> None:
    world = world_of(WRITER)
    client, student = Subscriber(world, "ada"), world.student()
    student.write(client, b"\x82\x01a")
    with client.slow(seconds=2):
        student.write(client, b"\x82\x01")
        student.write(client, b"b")
    assert client.received == [Frame(BINARY, b"a"), Frame(BINARY, b"b")]
    assert client.taken_at == [0, 2, 4]
    assert client.writes == 3


def test_a_second_write_at_once_is_refused(world_of) -> None:
    world = world_of(WRITER)
    client, student = Subscriber(world, "ada"), world.student()
    with client.slow(seconds=2):
        calls = [student.write.start(client, b"\x82\x01" + letter) for letter in (b"a", b"b")]
        settle(calls)
    refused = [call.error for call in calls if call.error]
    assert [error.type for error in refused] == ["RuntimeError"]
    assert len(client.received) == 1
    assert client.taken_at == [2]


def test_a_subscriber_goes(world_of) -> None:
    world = world_of(WRITER)
    client, student = Subscriber(world, "ada"), world.student()
    with client.slow(seconds=2):
        call = student.write.start(client, b"\x82\x01a")
        world.clock.advance(1)
        client.go()
        world.clock.advance(1)
        assert call.error.type == "ConnectionError"
    with pytest.raises(StudentError, match="ada has gone"):
        student.write(client, b"\x82\x01b")
    assert client.received == []


def test_a_subscriber_is_hung_up_on(world_of) -> None:
    world = world_of(WRITER)
    client, student = Subscriber(world, "ada"), world.student()
    with client.stuck():
        call = student.write.start(client, b"\x82\x01a")
        world.clock.advance(1000)
        student.abort(client)
    assert not call.done
    assert client.aborted
    assert client.written_late == 0
    with pytest.raises(StudentError, match="ada has gone"):
        student.write(client, b"\x82\x01b")
    assert client.written_late == 1


def test_a_subscriber_takes_bytes_alone(world_of) -> None:
    world = world_of(WRITER)
    with pytest.raises(StudentError, match="takes bytes, not str"):
        world.student().write(Subscriber(world, "ada"), "text")
