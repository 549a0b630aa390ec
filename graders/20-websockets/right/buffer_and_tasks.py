"""Design: One bytearray out of which a small state machine takes whole frames, and a writing task per client that lives only while something waits."""

import asyncio
import base64
import binascii
import hashlib
import struct
import time
from collections import deque
from dataclasses import dataclass
from weakref import WeakSet

@dataclass(frozen=True)
class Opened:
    path: str


@dataclass(frozen=True)
class Rejected:
    status: int


@dataclass(frozen=True)
class Message:
    data: str | bytes


@dataclass(frozen=True)
class Ping:
    payload: bytes


@dataclass(frozen=True)
class Pong:
    payload: bytes


@dataclass(frozen=True)
class Closed:
    code: int
    reason: str


Event = Opened | Rejected | Message | Ping | Pong | Closed

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_HEAD = 8192
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def make_frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= 125:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


def message_frame(message: str | bytes) -> bytes:
    if isinstance(message, str):
        return make_frame(TEXT, message.encode())
    return make_frame(BINARY, bytes(message))


def unmask(payload: bytes, key: bytes) -> bytes:
    size = len(payload)
    if not size:
        return b""
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def may_be_sent(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1011 or 3000 <= code <= 4999


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class _Failed(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


def parse_request(head: bytes) -> tuple[str, bytes]:
    """The path and the accept key of an opening request."""
    request_line, *lines = head.decode("latin-1").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or parts[0] != "GET" or parts[2] != "HTTP/1.1" or not parts[1]:
        raise _Refused(400)
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise _Refused(400)
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))

    def values(name: str) -> list[str]:
        return [v.strip(" \t") for line in headers.get(name, []) for v in line.split(",")]

    if "host" not in headers:
        raise _Refused(400)
    if "websocket" not in [v.lower() for v in values("upgrade")]:
        raise _Refused(400)
    if "upgrade" not in [v.lower() for v in values("connection")]:
        raise _Refused(400)
    keys = headers.get("sec-websocket-key", [])
    if len(keys) != 1:
        raise _Refused(400)
    try:
        key = keys[0].encode("ascii")
        if len(key) != 24 or len(base64.b64decode(key, validate=True)) != 16:
            raise _Refused(400)
    except (UnicodeEncodeError, binascii.Error):
        raise _Refused(400) from None
    if values("sec-websocket-version") != ["13"]:
        raise _Refused(426)
    return parts[1], base64.b64encode(hashlib.sha1(key + GUID).digest())


class WebSocketServer:
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
        self._state = "opening"  # then "open", "closing" (we sent a close), "over"
        self._in = bytearray()
        self._out = bytearray()
        self._searched = 0
        self._kind = 0  # the opcode of the message that has begun
        self._parts = bytearray()
        self._deadline: float | None = None
        self._awaited: bytes | None = None  # the payload of the keepalive ping without an answer
        self._pings = 0

    def receive_data(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._state == "over":
            return events
        self._in += data
        try:
            if self._state == "opening":
                self._handshake(events)
            if self._state in ("open", "closing"):
                while self._state != "over" and self._frame(events):
                    pass
        except _Refused as refused:
            self._refuse(refused.status)
            events.append(Rejected(refused.status))
        except _Failed as failed:
            if self._state == "open":
                self._out += make_frame(CLOSE, struct.pack("!H", failed.code) + failed.reason.encode())
            self._end()
            events.append(Closed(failed.code, failed.reason))
        return events

    def receive_eof(self) -> list[Event]:
        if self._state == "over":
            return []
        self._end()
        return [Closed(1006, "")]

    def send(self, message: str | bytes) -> None:
        self._must_be_open()
        self._out += message_frame(message)

    def ping(self, payload: bytes = b"") -> None:
        self._must_be_open()
        if len(payload) > 125:
            raise ValueError("a ping holds at most 125 bytes")
        self._out += make_frame(PING, bytes(payload))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._state == "opening":
            raise RuntimeError("the connection isn't open yet")
        told = reason.encode()
        if not may_be_sent(code) or len(told) > 123:
            raise ValueError("this code or reason may not be sent")
        if self._state == "open":
            self._out += make_frame(CLOSE, struct.pack("!H", code) + told)
            self._state = "closing"
            self._awaited = None
            self._deadline = time.monotonic() + self._close_timeout

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_timer(self) -> float | None:
        if self._deadline is None:
            return None
        return self._deadline - time.monotonic()

    def handle_timer(self) -> list[Event]:
        now = time.monotonic()
        if self._deadline is None or now < self._deadline:
            return []
        if self._state == "open" and self._awaited is None:
            self._pings += 1
            self._awaited = b"keepalive %d" % self._pings
            self._out += make_frame(PING, self._awaited)
            self._deadline = now + self._ping_timeout
            return []
        self._end()
        return [Closed(1006, "")]

    def _must_be_open(self) -> None:
        if self._state != "open":
            raise RuntimeError(f"the connection is {self._state}")

    def _end(self) -> None:
        self._state = "over"
        self._deadline = None
        self._in.clear()
        self._parts.clear()

    def _handshake(self, events: list[Event]) -> None:
        end = self._in.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(self._in) > MAX_HEAD:
                raise _Refused(431)
            self._searched = max(0, len(self._in) - 3)
            return
        if end + 4 > MAX_HEAD:
            raise _Refused(431)
        path, accept = parse_request(bytes(self._in[:end]))
        del self._in[: end + 4]
        self._out += (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._state = "open"
        self._deadline = time.monotonic() + self._ping_interval
        events.append(Opened(path))

    def _refuse(self, status: int) -> None:
        phrase = {400: "Bad Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large"}[status]
        lines = [f"HTTP/1.1 {status} {phrase}", "Connection: close", "Content-Length: 0"]
        if status == 426:
            lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        self._out += "\r\n".join(lines + ["", ""]).encode()
        self._end()

    def _frame(self, events: list[Event]) -> bool:
        """Take one whole frame out of the buffer, if it is there."""
        buffer = self._in
        if len(buffer) < 2:
            return False
        final, opcode = buffer[0] & 0x80, buffer[0] & 0x0F
        size, start = buffer[1] & 0x7F, 2
        if buffer[0] & 0x70:
            raise _Failed(1002, "reserved bit")
        if not buffer[1] & 0x80:
            raise _Failed(1002, "frame without a mask")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise _Failed(1002, "unknown opcode")
            if not final or size > 125:
                raise _Failed(1002, "control frame in pieces or too long")
        elif opcode > BINARY:
            raise _Failed(1002, "unknown opcode")
        elif opcode == CONT and not self._kind:
            raise _Failed(1002, "nothing to continue")
        elif opcode != CONT and self._kind:
            raise _Failed(1002, "the last message has not ended")
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return False
            size = int.from_bytes(buffer[2:start], "big")
        if opcode < CLOSE and len(self._parts) + size > self._max_message:
            raise _Failed(1009, "message too big")
        if len(buffer) < start + 4 + size:
            return False
        payload = unmask(bytes(buffer[start + 4 : start + 4 + size]), bytes(buffer[start : start + 4]))
        del buffer[: start + 4 + size]
        if opcode >= CLOSE:
            self._control(opcode, payload, events)
            return True
        self._kind = opcode or self._kind
        self._parts += payload
        if final:
            kind, whole = self._kind, bytes(self._parts)
            self._kind = 0
            self._parts.clear()
            events.append(Message(self._decode(whole) if kind == TEXT else whole))
        return True

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:
            if self._state == "open":
                self._out += make_frame(PONG, payload)
            events.append(Ping(payload))
        elif opcode == PONG:
            if self._awaited is not None and payload == self._awaited:
                self._awaited = None
                self._deadline = time.monotonic() + self._ping_interval
            events.append(Pong(payload))
        else:
            code, reason = 1005, ""
            if payload:
                code = int.from_bytes(payload[:2], "big")
                if len(payload) == 1 or not may_be_sent(code):
                    raise _Failed(1002, "bad close code")
                reason = self._decode(payload[2:])
            if self._state == "open":
                self._out += make_frame(CLOSE, payload[:2])
            self._end()
            events.append(Closed(code, reason))

    def _decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise _Failed(1007, "not UTF-8") from None


class _Outbox:
    """What waits for one client."""

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.size = 0
        self.task: asyncio.Task | None = None
        self.ended = False


class Broadcaster:
    def __init__(self, buffer_limit: int) -> None:
        self._limit = buffer_limit
        self._outboxes: dict = {}
        self._former = WeakSet()

    def add(self, client) -> None:
        if client not in self._outboxes and client not in self._former:
            self._outboxes[client] = _Outbox()

    def remove(self, client) -> None:
        outbox = self._outboxes.pop(client, None)
        if outbox is None:
            return
        self._former.add(client)
        outbox.ended = True
        outbox.frames.clear()

    def publish(self, message: str | bytes) -> int:
        frame = message_frame(message)
        taken = 0
        for client, outbox in list(self._outboxes.items()):
            if outbox.ended:
                continue
            if outbox.size + len(frame) > self._limit:
                self.remove(client)
                if outbox.task is not None:
                    outbox.task.cancel()
                client.abort()
                continue
            outbox.frames.append(frame)
            outbox.size += len(frame)
            if outbox.task is None:
                outbox.task = asyncio.create_task(self._write(client, outbox))
            taken += 1
        return taken

    async def _write(self, client, outbox: _Outbox) -> None:
        try:
            while outbox.frames:
                frame = outbox.frames.popleft()
                await client.write(frame)
                outbox.size -= len(frame)
        except ConnectionError:
            self.remove(client)
        finally:
            outbox.task = None
