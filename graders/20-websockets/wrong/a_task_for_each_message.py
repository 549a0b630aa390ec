"""Loses: side-by-side, bounded. It starts a write for each message, also while the last one is under way.

May lose: gone"""

import asyncio
import base64
import binascii
import hashlib
import struct
import time
from collections import defaultdict, deque
from dataclasses import dataclass

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MAX = 8_192
CONTROL_MAX = 125
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

OPENING, OPEN, CLOSING, OVER = "opening", "open", "closing", "over"


@dataclass(frozen=True)
class Opened:
    """The handshake is done; the path with its query, as it was asked for."""

    path: str


@dataclass(frozen=True)
class Rejected:
    """The handshake was refused with that HTTP status, and the connection is over."""

    status: int


@dataclass(frozen=True)
class Message:
    """A whole message: str for text, bytes for binary."""

    data: str | bytes


@dataclass(frozen=True)
class Ping:
    """A ping; its pong is already in `data_to_send()`."""

    payload: bytes


@dataclass(frozen=True)
class Pong:
    """A pong."""

    payload: bytes


@dataclass(frozen=True)
class Closed:
    """The connection is over, and with which code and reason."""

    code: int
    reason: str


Event = Opened | Rejected | Message | Ping | Pong | Closed


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class _Violation(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason


class WebSocketServer:
    """The server's side of one connection (RFC 6455): bytes in, events and bytes out."""

    def __init__(
        self,
        *,
        max_message: int = 1_048_576,
        ping_interval: float = 20.0,
        ping_timeout: float = 10.0,
        close_timeout: float = 5.0,
    ) -> None:
        self._max_message = max_message
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._close_timeout = close_timeout
        self._state = OPENING
        self._input = bytearray()
        self._output = bytearray()
        self._message_opcode = CONTINUATION  # of the message under way; CONTINUATION: there is none
        self._message = bytearray()
        self._deadline: float | None = None
        self._pings = 0
        self._awaited: bytes | None = None  # the payload whose pong the deadline waits for

    # ------------------------------------------------------------ from the client

    def receive_data(self, data: bytes) -> list[Event]:
        """What the client has sent, cut anywhere; what it means, in order."""
        self._input += data
        events: list[Event] = []
        try:
            while self._state is not OVER and (event := self._next_event()) is not None:
                events.extend(event)
        except _Refused as refusal:
            events.append(self._reject(refusal.status))
        except _Violation as violation:
            self._send_close(violation.code, violation.reason)
            events.append(self._end(violation.code, violation.reason))
        return events

    def receive_eof(self) -> list[Event]:
        """The client has hung up."""
        return [] if self._state is OVER else [self._end(1006, "")]

    def _next_event(self) -> list[Event] | None:
        """Take the next whole thing out of the input: its events; None when it isn't there yet."""
        if self._state is OPENING:
            return self._take_request()
        frame = self._take_frame()
        return None if frame is None else self._handle_frame(*frame)

    # ------------------------------------------------------------ the handshake

    def _take_request(self) -> list[Event] | None:
        end = self._input.find(b"\r\n\r\n", 0, HEAD_MAX)
        if end < 0:
            if len(self._input) > HEAD_MAX:
                raise _Refused(431)
            return None
        head = bytes(self._input[:end])
        del self._input[: end + 4]
        path, key = _read_request(head)
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        self._output += b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._output += b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        self._state = OPEN
        self._deadline = time.monotonic() + self._ping_interval
        return [Opened(path)]

    def _reject(self, status: int) -> Rejected:
        version = b"Sec-WebSocket-Version: 13\r\n" if status == 426 else b""
        self._output += b"HTTP/1.1 %d Refused\r\nConnection: close\r\nContent-Length: 0\r\n%b\r\n" % (status, version)
        self._end(0, "")
        return Rejected(status)

    # ------------------------------------------------------------ frames

    def _take_frame(self) -> tuple[int, bool, bytes] | None:
        """Opcode, FIN and unmasked payload of the next frame; checks all that its header tells."""
        data = self._input
        if len(data) < 2:
            return None
        fin, opcode, length = bool(data[0] & 0x80), data[0] & 0x0F, data[1] & 0x7F
        self._check_start(data[0], data[1])
        extended = {126: 2, 127: 8}.get(length, 0)
        if len(data) < 2 + extended:
            return None
        if extended:
            length = int.from_bytes(data[2 : 2 + extended], "big")
        if opcode < CLOSE and len(self._message) + length > self._max_message:
            raise _Violation(1009, f"a message may have {self._max_message} bytes")
        start = 2 + extended + 4
        if len(data) < start + length:
            return None
        payload = _masked(bytes(data[start : start + length]), bytes(data[start - 4 : start]))
        del data[: start + length]
        return opcode, fin, payload

    def _check_start(self, first: int, second: int) -> None:
        fin, opcode, length = first & 0x80, first & 0x0F, second & 0x7F
        if first & 0x70:
            raise _Violation(1002, "a reserved bit is set")
        if not second & 0x80:
            raise _Violation(1002, "a client's frames are masked")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _Violation(1002, f"opcode {opcode} is reserved")
        if opcode >= CLOSE and (not fin or length > CONTROL_MAX):
            raise _Violation(1002, "a control frame is whole and short")
        if opcode == CONTINUATION and self._message_opcode == CONTINUATION:
            raise _Violation(1002, "there is no message to continue")
        if opcode in (TEXT, BINARY) and self._message_opcode != CONTINUATION:
            raise _Violation(1002, "the last message has not ended")

    def _handle_frame(self, opcode: int, fin: bool, payload: bytes) -> list[Event]:
        match opcode:
            case 9:
                if self._state is OPEN:
                    self._output += _frame(PONG, payload)
                return [Ping(payload)]
            case 10:
                self._hear_pong(payload)
                return [Pong(payload)]
            case 8:
                return [self._hear_close(payload)]
        self._message_opcode = opcode or self._message_opcode
        self._message += payload
        return [self._whole_message()] if fin else []

    def _whole_message(self) -> Message:
        is_text, data = self._message_opcode == TEXT, bytes(self._message)
        self._message_opcode = CONTINUATION
        self._message.clear()
        return Message(_text(data) if is_text else data)

    def _hear_close(self, payload: bytes) -> Closed:
        if len(payload) == 1:
            raise _Violation(1002, "a close code has two bytes")
        if not payload:
            self._send_close(None, "")
            return self._end(1005, "")
        code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
        if not _may_be_sent(code):
            raise _Violation(1002, f"{code} may not be sent")
        text = _text(reason)
        self._send_close(code, "")
        return self._end(code, text)

    # ------------------------------------------------------------ to the client

    def send(self, message: str | bytes) -> None:
        """Send a message in one frame. RuntimeError when the connection isn't open, or is closing."""
        self._must_be_open()
        self._output += _message_frame(message)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping. RuntimeError as for `send`; ValueError for more than 125 bytes."""
        self._must_be_open()
        if len(payload) > CONTROL_MAX:
            raise ValueError(f"a ping may have {CONTROL_MAX} bytes, not {len(payload)}")
        self._output += _frame(PING, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame. ValueError for what may not be sent; RuntimeError before the opening."""
        if self._state is OPENING:
            raise RuntimeError("the connection isn't open yet")
        if not _may_be_sent(code):
            raise ValueError(f"{code} may not be sent")
        if len(reason.encode()) > CONTROL_MAX - 2:
            raise ValueError(f"a reason may have {CONTROL_MAX - 2} bytes")
        if self._state is OPEN:
            self._send_close(code, reason)
            self._state = CLOSING
            self._awaited = None
            self._deadline = time.monotonic() + self._close_timeout

    def data_to_send(self) -> bytes:
        """All that is to go to the client since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _send_close(self, code: int | None, reason: str) -> None:
        """At most once: in any other state than OPEN a close frame has been sent."""
        if self._state is OPEN:
            self._output += _frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())

    def _must_be_open(self) -> None:
        if self._state is not OPEN:
            raise RuntimeError(f"the connection is {self._state}")

    def _end(self, code: int, reason: str) -> Closed:
        self._state = OVER
        self._deadline = None
        self._input.clear()
        self._message.clear()
        return Closed(code, reason)

    # ------------------------------------------------------------ timers

    def next_timer(self) -> float | None:
        """In how many seconds `handle_timer` has something to do; None: never."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def handle_timer(self) -> list[Event]:
        """Send the ping that is due, or give up a client that did not answer in time."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return []
        if self._state is CLOSING or self._awaited is not None:
            return [self._end(1006, "")]
        self._pings += 1
        self._awaited = b"keepalive %d" % self._pings
        self._output += _frame(PING, self._awaited)
        self._deadline = time.monotonic() + self._ping_timeout
        return []

    def _hear_pong(self, payload: bytes) -> None:
        if self._awaited is not None and payload == self._awaited:
            self._awaited = None
            self._deadline = time.monotonic() + self._ping_interval


class Broadcaster:
    """Sends every message to every client, and lets none of them wait for another."""

    def __init__(self, buffer_limit: int) -> None:
        self._limit = buffer_limit
        self._outboxes: dict[object, _Outbox] = {}

    def add(self, client) -> None:
        """From now on `client` is given what is published."""
        if client not in self._outboxes:
            self._outboxes[client] = _Outbox(client, on_gone=self.remove)

    def remove(self, client) -> None:
        """From now on nothing more is written to `client`."""
        outbox = self._outboxes.pop(client, None)
        if outbox is not None:
            outbox.stop()

    def publish(self, message: str | bytes) -> int:
        """Take the message for every client, and return at once: for how many it was taken."""
        frame = _message_frame(message)
        for client, outbox in list(self._outboxes.items()):
            if outbox.waiting_bytes + len(frame) > self._limit:
                self.remove(client)
                client.abort()
            else:
                outbox.put(frame)
        return len(self._outboxes)


class _Outbox:
    """What waits for one client, and the task that writes it."""

    def __init__(self, client, on_gone) -> None:
        self.waiting_bytes = 0
        self._client = client
        self._on_gone = on_gone
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, frame: bytes) -> None:
        self.waiting_bytes += len(frame)
        task = asyncio.create_task(self._write(frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _write(self, frame: bytes) -> None:
        try:
            await self._client.write(frame)
            self.waiting_bytes -= len(frame)
        except ConnectionError:
            self._on_gone(self._client)


# ---------------------------------------------------------------- what needs no state


def _read_request(head: bytes) -> tuple[str, bytes]:
    """Path and key of an opening request without its empty line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    values: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise _Refused(400)
        values[name.lower()].append(value.strip())
    key = values["sec-websocket-key"]
    right = (
        len(words) == 3
        and words[0] == "GET"
        and words[2] == "HTTP/1.1"
        and values["host"]
        and "websocket" in _tokens(values["upgrade"])
        and "upgrade" in _tokens(values["connection"])
        and len(key) == 1
        and _is_key(key[0])
    )
    if not right:
        raise _Refused(400)
    if values["sec-websocket-version"] != ["13"]:
        raise _Refused(426)
    return words[1], key[0].encode("latin-1")


def _tokens(values: list[str]) -> list[str]:
    return [token.strip().lower() for value in values for token in value.split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode("latin-1"), validate=True)) == 16
    except binascii.Error:
        return False


def _message_frame(message: str | bytes) -> bytes:
    return _frame(TEXT, message.encode()) if isinstance(message, str) else _frame(BINARY, message)


def _frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame of a server: unmasked, with the shortest form of its length."""
    first, size = 0x80 | opcode, len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def _masked(payload: bytes, mask: bytes) -> bytes:
    """One XOR of two long integers, instead of one a byte."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _Violation(1007, "text is UTF-8") from None


def _may_be_sent(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
