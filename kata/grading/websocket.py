"""WebSockets (RFC 6455) from the client's side, in the grader's hands: frames, a peer, and one who subscribes.

    peer = Peer(world, student.WebSocketServer())
    peer.open()
    assert peer.send(text("hello")) == [Record("Message", data="hello")]
    assert peer.heard() == [Frame(PONG, b"1")]

Frames are made by hand, so that every rule can be broken. A real client stands in `clients.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kata.grading.fakes import pause, refuse, remote
from kata.supervisor.failures import failed
from kata.supervisor.proxies import Object
from kata.supervisor.world import World
from kata.wire import Record, shown

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

MASK = bytes.fromhex("37fa213d")
"""Of every frame that is made here: RFC 6455, section 5.7, has it in its examples."""

REQUEST = {
    "Host": "prices.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
"""The headers of a right opening request, with the key of RFC 6455, section 1.3."""

ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What that key is answered with."""

EVENTS = {
    "Opened": ("path",),
    "Rejected": ("status",),
    "Message": ("data",),
    "Ping": ("payload",),
    "Pong": ("payload",),
    "Closed": ("code", "reason"),
}
"""The events of a `WebSocketServer`, and their fields."""

_STUCK_SECONDS = 1e9
_SHOWN_BYTES = 24


class Frame(NamedTuple):
    """A frame as it is meant: opcode, payload without its mask, and whether it is the last of its message."""

    opcode: int
    payload: bytes = b""
    fin: bool = True


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    masked: bool = True,
    reserved: int = 0,
    announced: int | None = None,
) -> bytes:
    """A client's frame on the wire (RFC 6455, section 5.2), with the shortest form of its length.

    `reserved` are the bits RSV1 to RSV3 as a number below 8. `announced` is a length that the header tells in place of
    the payload's own. Nothing is checked, so that what is forbidden can be made.
    """
    size = len(payload) if announced is None else announced
    head = bytes(((0x80 if fin else 0) | reserved << 4 | opcode,))
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes((mask_bit | size,))
    elif size < 65_536:
        head += bytes((mask_bit | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((mask_bit | 127,)) + size.to_bytes(8, "big")
    return head + MASK + _xor(payload) if masked else head + payload


def text(message: str) -> bytes:
    """A message of text, in one frame."""
    return client_frame(TEXT, message.encode())


def binary(message: bytes) -> bytes:
    """A message of bytes, in one frame."""
    return client_frame(BINARY, message)


def fragments(opcode: int, parts: Iterable[bytes]) -> list[bytes]:
    """The frames of one message that is cut into those parts."""
    payloads = list(parts)
    last = len(payloads) - 1
    return [client_frame(CONTINUATION if at else opcode, part, fin=at == last) for at, part in enumerate(payloads)]


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """A client's close frame; without a code it has no payload."""
    return client_frame(CLOSE, closing(code, reason))


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    """The payload of a close frame."""
    return b"" if code is None else code.to_bytes(2, "big") + reason


def server_frames(data: bytes) -> list[Frame]:
    """The frames that a server has sent. A failure when a frame is cut off.

    It takes what a client would have to refuse, masked frames for instance: the check that is about it compares bytes.
    """
    frames, at = [], 0
    while at < len(data):
        frame, at = _take(data, at)
        frames.append(frame)
    return frames


def request(path: str = "/prices", *, start: str | None = None, **changed: str | None) -> bytes:
    """An opening request (RFC 6455, section 4.1). `start` takes the place of its first line.

    `changed` are headers with `_` for `-`: `upgrade="h2c"` changes one or adds it, None takes it away.
    """
    headers = dict(REQUEST)
    for name, value in changed.items():
        written = name.replace("_", "-").title()
        known = next((other for other in headers if other.lower() == written.lower()), written)
        headers.pop(known, None)
        if value is not None:
            headers[known] = value
    lines = [start or f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


class Response(NamedTuple):
    """The head of an HTTP response; names of headers in lower case, and what came after its empty line."""

    status: int
    headers: dict[str, str]
    rest: bytes


def response(data: bytes) -> Response:
    """Read the head of an HTTP response. A failure when there is none."""
    head, end, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not end or version != "HTTP/1.1" or not status[:3].isdecimal():
        raise failed(
            "wrong-answer",
            f"What was sent is not the head of an HTTP response: {shown(data)}.",
            expected="HTTP/1.1, a status, headers, an empty line",
            got=shown(data),
            advice="A status line and headers, each with CRLF at its end, and then an empty line.",
        )
    pairs = (line.partition(":") for line in lines)
    return Response(int(status[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}, rest)


# ---------------------------------------------------------------- how bytes are cut


class Cut(NamedTuple):
    """One way to cut what a client sends into what the server reads."""

    name: str
    pieces: tuple[bytes, ...]


def whole(data: bytes) -> Cut:
    """All at once."""
    return Cut("in one piece", (data,))


def bytewise(data: bytes) -> Cut:
    """Byte by byte."""
    return Cut("byte by byte", tuple(data[at : at + 1] for at in range(len(data))))


def splits(data: bytes) -> list[Cut]:
    """In two pieces, at every place where that can be."""
    return [Cut(f"in two pieces, cut after byte {at}", (data[:at], data[at:])) for at in range(1, len(data))]


# ---------------------------------------------------------------- the other side of a connection


class Peer:
    """The client's side of one connection to a student's `WebSocketServer`."""

    def __init__(self, world: World, connection: Object) -> None:
        self._world = world
        self.connection = connection
        """The student's object."""
        self._early = b""
        """What the server has sent after its answer to the opening, and nobody has looked at yet."""

    def open(self, *frames: bytes) -> list[Record]:
        """Send a right opening request and, in the same stream, frames: the events after `Opened`.

        A failure when it is not answered by 101 and `Opened`.
        """
        events = self.send(request(), *frames, what="an opening request" + (" and frames" if frames else ""))
        self._see_opened(events)
        return events[1:]

    def open_and_send(self, cut: Cut, *later: bytes, what: str) -> list[Record]:
        """The same in a single call, for many connections: opens it, sends what is cut, and then more pieces.

        The events after `Opened`.
        """
        self._world.note(f"the client opens a connection, and sends {what}, {cut.name}")
        events = self.feed([request(), *cut.pieces, *later])
        self._see_opened(events)
        return events[1:]

    def _see_opened(self, events: list[Record]) -> None:
        answer = response(self.heard_bytes())
        self._early = answer.rest
        if answer.status != 101 or events[:1] != [Record("Opened", path="/prices")]:
            raise failed(
                "wrong-answer",
                "A right opening request was not accepted.",
                expected="status 101 and Opened(path='/prices')",
                got=f"status {answer.status} and {shown(events)}",
                advice="Mend the handshake first: everything else needs an open connection.",
            )

    def send(self, *frames: bytes, what: str = "") -> list[Record]:
        """Send these bytes in one piece: the events that they were for the server.

        `what` says in the transcript what they mean.
        """
        data = b"".join(frames)
        self._world.note(f"the client sends {what or _hexadecimal(data)}")
        return self.feed([data])

    def feed(self, pieces: Iterable[bytes]) -> list[Record]:
        """Send pieces one after another, without a line in the transcript for each: all their events."""
        data = list(pieces)
        if len(data) == 1:  # the very list that came: an assertion about it is one about that call
            return _events("receive_data", self.connection.receive_data(data[0]))
        return [event for events in self.feed_apart(data) for event in events]

    def feed_apart(self, pieces: Iterable[bytes], what: str = "") -> list[list[Record]]:
        """The same, with the events of each piece apart. A failure when they aren't lists of events."""
        if what:
            self._world.note(f"the client sends {what}")
        answers: list[Any] = self.connection.receive_data.each(pieces)
        return [_events("receive_data", answer) for answer in answers]

    def hang_up(self) -> list[Record]:
        """The end of the stream, without a close: its events."""
        return _events("receive_eof", self.connection.receive_eof())

    def wake(self) -> list[Record]:
        """Call `handle_timer`: its events."""
        return _events("handle_timer", self.connection.handle_timer())

    def heard_bytes(self) -> bytes:
        """What the server has sent since the opening or the last look, as bytes."""
        early, self._early = self._early, b""
        sent = self.connection.data_to_send()
        if not isinstance(sent, bytes):
            raise failed("wrong-answer", f"data_to_send returned {shown(sent)}.", expected="bytes", got=shown(sent))
        return early + sent

    def heard(self) -> list[Frame]:
        """What the server has sent since the opening or the last look, as frames."""
        return server_frames(self.heard_bytes())


class Subscriber:
    """A client of a student's `Broadcaster`: `await client.write(data)`, `client.abort()`.

    It takes one write at a time, each in no time unless it is `slow` or `stuck`; what it has taken it keeps in
    `received`. Once it has `gone`, a write raises ConnectionError.
    """

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._seconds = 0.0
        self._writing = False
        self._gone = False
        self._taken = bytearray()
        self.writes = 0
        """How many writes have begun."""
        self.aborted = False
        """Whether it was hung up on."""
        self.written_late = 0
        """Writes that began after that."""
        self.taken_at: list[float] = []
        """The virtual second at which each write was taken."""
        world.expose(self, name)

    @remote
    async def write(self, data: bytes) -> None:
        """Take bytes, after as many seconds as it is slow by."""
        if not isinstance(data, bytes | bytearray):
            refuse(TypeError(f"{self._name}.write takes bytes, not {type(data).__name__}"))
        self.writes += 1
        self.written_late += self.aborted
        if self._writing and not self.aborted:
            refuse(RuntimeError(f"{self._name}.write was called while another write of it is under way"))
        self._writing = True
        await pause(self._seconds)
        self._writing = False
        if self._gone or self.aborted:
            refuse(ConnectionError(f"{self._name} has gone"))
        self._taken += data
        self.taken_at.append(self._world.clock.now)

    @remote
    def abort(self) -> None:
        """Hang up."""
        self.aborted = True

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Every write that begins meanwhile takes that many virtual seconds."""
        self._seconds = seconds
        with self._world.fault(f"{self._name} is slow: {seconds:g} s a write", f"{self._name} is fast again"):
            yield
        self._seconds = 0.0

    @contextlib.contextmanager
    def stuck(self) -> Iterator[None]:
        """No write that begins meanwhile ever ends."""
        self._seconds = _STUCK_SECONDS
        with self._world.fault(f"{self._name} takes nothing any more", f"{self._name} takes what comes again"):
            yield
        self._seconds = 0.0

    def go(self) -> None:
        """It goes: this write, if there is one, and all later ones fail."""
        self._gone = True
        self._world.note(f"{self._name} has gone", "fault")

    @property
    def received(self) -> list[Frame]:
        """The frames that it has taken."""
        return server_frames(bytes(self._taken))


def kind(event: Record) -> str:
    """The name of an event's class."""
    return str(event._type)


def close_codes(events: Iterable[Record]) -> list[Any]:
    """The codes of the `Closed` events among them."""
    return [event.code for event in events if kind(event) == "Closed"]


# ---------------------------------------------------------------- bytes


def _events(method: str, answer: Any) -> list[Record]:
    """What a method gave, if it is a list of events. A failure when it is anything else."""
    if isinstance(answer, list) and all(_is_event(event) for event in answer):
        return answer
    raise failed(
        "wrong-answer",
        f"{method} returned {shown(answer)}.",
        expected="a list of events as the stub defines them, which may be empty",
        got=shown(answer),
        advice="Return a list also where nothing was complete, and leave the events' names and fields as they are.",
    )


def _is_event(value: object) -> bool:
    return isinstance(value, Record) and tuple(value._fields) == EVENTS.get(kind(value))


def _xor(payload: bytes) -> bytes:
    return bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def _take(data: bytes, at: int) -> tuple[Frame, int]:
    """The frame that begins there, and where the next one does."""
    size = data[at + 1] & 0x7F if at + 1 < len(data) else 0
    extended = {126: 2, 127: 8}.get(size, 0)
    start = at + 2 + extended
    if extended:
        size = int.from_bytes(data[at + 2 : start], "big")
    masked = at + 1 < len(data) and bool(data[at + 1] & 0x80)
    mask, start = (data[start : start + 4], start + 4) if masked else (b"", start)
    if start + size > len(data):
        raise failed(
            "wrong-answer",
            f"What the server sent ends in the middle of a frame: {_hexadecimal(data[at:])}.",
            expected="whole frames",
            got=_hexadecimal(data[at:]),
            advice="Is each of these bytes a frame's, sent once, and does the frame say its length as it is?",
        )
    payload = data[start : start + size]
    if masked:
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return Frame(data[at] & 0x0F, payload, bool(data[at] & 0x80)), start + size


def _hexadecimal(data: bytes) -> str:
    if data[:4] in (b"GET ", b"POST"):
        return shown(data)
    return data[:_SHOWN_BYTES].hex(" ") + (f" … ({len(data):,} bytes)" if len(data) > _SHOWN_BYTES else "")
