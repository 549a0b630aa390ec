"""Design: A generator that asks for so many bytes reads the client like a blocking socket, and each client has one long-lived task behind an asyncio.Queue."""

import asyncio
import base64
import hashlib
import os
import re
import time
from collections.abc import Generator
from dataclasses import dataclass, field

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

KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
PHRASES = {400: "Bad Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large"}
SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
HEAD_LIMIT = 8192


def frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes([0x80 | opcode, length]) + payload
    if length < 1 << 16:
        return bytes([0x80 | opcode, 126]) + length.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + length.to_bytes(8, "big") + payload


def data_frame(message: str | bytes) -> bytes:
    return frame(1, message.encode()) if isinstance(message, str) else frame(2, message)


def close_payload(code: int, reason: str) -> bytes:
    return code.to_bytes(2, "big") + reason.encode()


class Failure(Exception):
    @property
    def code(self) -> int:
        return self.args[0]


class Inbox:
    """The bytes that have come and haven't been read."""

    def __init__(self) -> None:
        self.data = bytearray()

    def exactly(self, count: int) -> Generator[None, None, bytes]:
        while len(self.data) < count:
            yield
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def head(self) -> Generator[None, None, bytes | None]:
        """The head of the request with its empty line, None if it is too long."""
        while (end := self.data.find(b"\r\n\r\n", 0, HEAD_LIMIT)) < 0:
            if len(self.data) > HEAD_LIMIT:
                return None
            yield
        return (yield from self.exactly(end + 4))


class WebSocketServer:
    def __init__(
        self,
        *,
        max_message: int = 1_048_576,
        ping_interval: float = 20.0,
        ping_timeout: float = 10.0,
        close_timeout: float = 5.0,
    ) -> None:
        self.max_message = max_message
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        self._opened = self._close_sent = self._over = False
        self._ping_at: float | None = None
        self._pong_by: float | None = None
        self._close_by: float | None = None
        self._cookie = b""
        self._inbox = Inbox()
        self._outgoing: list[bytes] = []
        self._events: list[Event] = []
        self._reader = self._read()
        next(self._reader)

    # what the application calls

    def receive_data(self, data: bytes) -> list[Event]:
        if not self._over:
            self._inbox.data += data
            next(self._reader, None)
        return self._take_events()

    def receive_eof(self) -> list[Event]:
        self._finish(Closed(1006, ""))
        return self._take_events()

    def send(self, message: str | bytes) -> None:
        self._check_open()
        self._outgoing.append(data_frame(message))

    def ping(self, payload: bytes = b"") -> None:
        if len(payload) > 125:
            raise ValueError("more than 125 bytes")
        self._check_open()
        self._outgoing.append(frame(9, payload))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._over or self._close_sent:
            return
        if not self._opened:
            raise RuntimeError("not open")
        payload = close_payload(code, reason) if code in SENDABLE else b""
        if not 2 <= len(payload) <= 125:
            raise ValueError("code or reason may not be sent")
        self._send_close(payload)
        self._ping_at = self._pong_by = None
        self._close_by = time.monotonic() + self.close_timeout

    def data_to_send(self) -> bytes:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def next_timer(self) -> float | None:
        due = [t for t in (self._ping_at, self._pong_by, self._close_by) if t is not None]
        return min(due) - time.monotonic() if due else None

    def handle_timer(self) -> list[Event]:
        now = time.monotonic()
        if self._close_by is not None and now >= self._close_by:
            self._finish(Closed(1006, ""))
        elif self._pong_by is not None and now >= self._pong_by:
            self._finish(Closed(1006, ""))
        elif self._ping_at is not None and now >= self._ping_at:
            self._cookie = os.urandom(8)
            self._outgoing.append(frame(9, self._cookie))
            self._ping_at, self._pong_by = None, now + self.ping_timeout
        return self._take_events()

    # small things

    def _check_open(self) -> None:
        if not self._opened or self._close_sent or self._over:
            raise RuntimeError("not open")

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _send_close(self, payload: bytes) -> None:
        if not self._close_sent:
            self._outgoing.append(frame(8, payload))
            self._close_sent = True

    def _finish(self, event: Event) -> None:
        if not self._over:
            self._over = True
            self._ping_at = self._pong_by = self._close_by = None
            self._inbox.data.clear()
            self._events.append(event)

    # reading

    def _read(self) -> Generator[None, None, None]:
        head = yield from self._inbox.head()
        status, path, accept = self._judge(head)
        if status != 101:
            extra = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" if status == 426 else ""
            answer = f"HTTP/1.1 {status} {PHRASES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n{extra}\r\n"
            self._outgoing.append(answer.encode())
            self._finish(Rejected(status))
            return
        self._outgoing.append(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._opened = True
        self._ping_at = time.monotonic() + self.ping_interval
        self._events.append(Opened(path))
        try:
            while not self._over:
                yield from self._read_message()
        except Failure as failure:
            code, reason = failure.args
            self._send_close(close_payload(code, reason))
            self._finish(Closed(code, reason))

    def _judge(self, head: bytes | None) -> tuple[int, str, str]:
        if head is None:
            return 431, "", ""
        first, *rest = head[:-4].decode("latin-1").split("\r\n")
        request = re.fullmatch(r"GET (\S+) HTTP/1\.1", first)
        headers: dict[str, list[str]] = {}
        for line in rest:
            match = re.fullmatch(r"([^\s:]+):(.*)", line, re.DOTALL)
            if match is None:
                return 400, "", ""
            headers.setdefault(match[1].lower(), []).extend(v.strip(" \t") for v in match[2].split(","))
        key = headers.get("sec-websocket-key", [])
        right = (
            request is not None
            and "host" in headers
            and "websocket" in map(str.lower, headers.get("upgrade", []))
            and "upgrade" in map(str.lower, headers.get("connection", []))
            and len(key) == 1
            and KEY.fullmatch(key[0]) is not None
        )
        if not right:
            return 400, "", ""
        if headers.get("sec-websocket-version") != ["13"]:
            return 426, "", ""
        digest = hashlib.sha1(f"{key[0]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        return 101, request[1], base64.b64encode(digest).decode()

    def _read_message(self) -> Generator[None, None, None]:
        """One data message, and the control frames before and within it."""
        opcode, pieces, so_far = 0, [], 0
        while True:
            first, second = yield from self._inbox.exactly(2)
            kind, final, length = first & 0x0F, bool(first & 0x80), second & 0x7F
            if first & 0x70 or not second & 0x80 or kind not in (0, 1, 2, 8, 9, 10):
                raise Failure(1002, "reserved bits, no mask or an unknown opcode")
            if kind >= 8:
                if not final or length > 125:
                    raise Failure(1002, "bad control frame")
            elif (kind == 0) != (opcode != 0):
                raise Failure(1002, "a message begins or goes on in the wrong place")
            if length == 126:
                length = int.from_bytes((yield from self._inbox.exactly(2)), "big")
            elif length == 127:
                length = int.from_bytes((yield from self._inbox.exactly(8)), "big")
                if length >> 63:
                    raise Failure(1002, "the first bit of a length is set")
            if kind < 8 and so_far + length > self.max_message:
                raise Failure(1009, f"more than {self.max_message} bytes")
            mask = yield from self._inbox.exactly(4)
            payload = self._unmask((yield from self._inbox.exactly(length)), mask)
            if kind >= 8:
                self._control(kind, payload)
                if self._over:
                    return
                continue
            opcode = opcode or kind
            if payload:
                pieces.append(payload)
                so_far += length
            if final:
                whole = b"".join(pieces)
                self._events.append(Message(self._text(whole) if opcode == 1 else whole))
                return

    def _control(self, kind: int, payload: bytes) -> None:
        if kind == 9:
            if not self._close_sent:
                self._outgoing.append(frame(10, payload))
            self._events.append(Ping(payload))
        elif kind == 10:
            if self._pong_by is not None and payload == self._cookie:
                self._ping_at, self._pong_by = time.monotonic() + self.ping_interval, None
            self._events.append(Pong(payload))
        elif not payload:
            self._send_close(b"")
            self._finish(Closed(1005, ""))
        else:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) < 2 or code not in SENDABLE:
                raise Failure(1002, "a close with a bad code")
            reason = self._text(payload[2:])
            self._send_close(payload)
            self._finish(Closed(code, reason))

    @staticmethod
    def _unmask(payload: bytes, mask: bytes) -> bytes:
        if len(payload) < 512:
            return bytes([b ^ mask[i & 3] for i, b in enumerate(payload)])
        plain = bytearray(payload)
        for i in range(4):
            plain[i::4] = payload[i::4].translate(bytes(b ^ mask[i] for b in range(256)))
        return bytes(plain)

    @staticmethod
    def _text(data: bytes) -> str:
        try:
            return data.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Failure(1007, "not UTF-8") from None


@dataclass
class Line:
    queue: asyncio.Queue = field(default_factory=asyncio.Queue)
    waiting: int = 0
    task: asyncio.Task | None = None


class Broadcaster:
    def __init__(self, buffer_limit: int) -> None:
        self.buffer_limit = buffer_limit
        self._lines: dict = {}

    def add(self, client) -> None:
        if client not in self._lines:
            line = self._lines[client] = Line()
            line.task = asyncio.create_task(self._serve(client, line))

    def remove(self, client) -> None:
        line = self._lines.pop(client, None)
        if line is not None and line.task is not None:
            line.task.cancel()

    def publish(self, message: str | bytes) -> int:
        data, count = data_frame(message), 0
        for client, line in list(self._lines.items()):
            if line.waiting + len(data) <= self.buffer_limit:
                line.waiting += len(data)
                line.queue.put_nowait(data)
                count += 1
            else:
                self.remove(client)
                client.abort()
        return count

    async def _serve(self, client, line: Line) -> None:
        while self._lines.get(client) is line:
            data = await line.queue.get()
            if self._lines.get(client) is not line:
                return
            try:
                await client.write(data)
            except ConnectionError:
                if self._lines.get(client) is line:
                    del self._lines[client]
                return
            line.waiting -= len(data)
