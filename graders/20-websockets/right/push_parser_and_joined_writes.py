"""Design: A push parser that unmasks and decodes each piece as it comes without keeping raw frames, and clients whose waiting bytes go out in one joined write."""

import asyncio
import base64
import binascii
import codecs
import hashlib
import itertools
import secrets
import time
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

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BLANKS = " \t"


def encode_frame(opcode: int, payload: bytes) -> bytes:
    n = len(payload)
    if n <= 125:
        length = n.to_bytes(1, "big")
    elif n <= 65535:
        length = b"\x7e" + n.to_bytes(2, "big")
    else:
        length = b"\x7f" + n.to_bytes(8, "big")
    return bytes((0x80 | opcode,)) + length + payload


def encode_message(message: str | bytes) -> bytes:
    if isinstance(message, str):
        return encode_frame(1, message.encode("utf-8"))
    return encode_frame(2, bytes(message))


def valid_code(code: int) -> bool:
    return code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011) or 3000 <= code < 5000


class ProtocolFailure(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class FrameParser:
    """Turns bytes into (opcode, final, piece of payload, whether the frame ends here)."""

    def __init__(self, max_message: int) -> None:
        self._max = max_message
        self._header = bytearray()
        self._wanted = 2
        self._left = 0
        self._position = 0
        self._opcode = 0
        self._final = False
        self._mask = b""
        self.in_message = False
        self.message_size = 0

    def feed(self, data: memoryview):
        at = 0
        while at < len(data):
            if self._wanted:
                take = min(self._wanted - len(self._header), len(data) - at)
                self._header += data[at : at + take]
                at += take
                if len(self._header) == self._wanted:
                    self._on_header()
                if self._wanted or self._left:
                    continue
                piece = b""
            else:
                take = min(self._left, len(data) - at)
                piece = self._unmask(bytes(data[at : at + take]))
                at += take
                self._left -= take
                self._position += take
            done = self._left == 0
            if done:
                self._header.clear()
                self._wanted = 2
                if self._opcode < 8:
                    self.in_message = not self._final
                    if self._final:
                        self.message_size = 0
            yield self._opcode, self._final, piece, done

    def _on_header(self) -> None:
        header = self._header
        first, short = header[0], header[1] & 0x7F
        length_bytes = {126: 2, 127: 8}.get(short, 0)
        if len(header) == 2:
            self._check(first, header[1])
            if length_bytes:
                self._wanted = 2 + length_bytes
                return
        if len(header) == 2 + length_bytes:
            self._left = int.from_bytes(header[2:], "big") if length_bytes else short
            if self._opcode < 8:
                self.message_size += self._left
                if self.message_size > self._max:
                    raise ProtocolFailure(1009, "message too big")
            self._wanted = 2 + length_bytes + 4
            return
        self._mask = bytes(header[-4:])
        self._position = 0
        self._wanted = 0

    def _check(self, first: int, second: int) -> None:
        self._final, self._opcode = first >= 0x80, first & 0x0F
        if first & 0x70:
            raise ProtocolFailure(1002, "reserved bits")
        if second < 0x80:
            raise ProtocolFailure(1002, "not masked")
        if self._opcode in (8, 9, 10):
            if not self._final or second & 0x7F > 125:
                raise ProtocolFailure(1002, "control frame")
        elif self._opcode > 2:
            raise ProtocolFailure(1002, "opcode")
        elif self.in_message != (self._opcode == 0):
            raise ProtocolFailure(1002, "fragmentation")

    def _unmask(self, piece: bytes) -> bytes:
        turn = self._position % 4
        mask = self._mask[turn:] + self._mask[:turn]
        if len(piece) < 16:
            return bytes(b ^ m for b, m in zip(piece, itertools.cycle(mask)))
        stream = (mask * (len(piece) // 4 + 1))[: len(piece)]
        return (int.from_bytes(piece, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(piece), "little")


class WebSocketServer:
    def __init__(
        self,
        *,
        max_message: int = 1_048_576,
        ping_interval: float = 20.0,
        ping_timeout: float = 10.0,
        close_timeout: float = 5.0,
    ) -> None:
        self._interval, self._patience, self._close_patience = ping_interval, ping_timeout, close_timeout
        self._parser = FrameParser(max_message)
        self._head = bytearray()
        self._control = bytearray()
        self._kind = 0
        self._binary = bytearray()
        self._text: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._phase = "handshake"
        self._send_buffer = bytearray()
        self._timer: float | None = None
        self._expected_pong: bytes | None = None

    def receive_data(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        rest = memoryview(bytes(data))
        if self._phase == "handshake":
            rest = self._receive_head(rest, events)
        if self._phase in ("open", "closing"):
            try:
                for opcode, final, piece, done in self._parser.feed(rest):
                    if opcode < 8:
                        self._on_data(opcode, final and done, piece, events)
                    else:
                        self._control += piece
                        if done:
                            payload = bytes(self._control)
                            self._control.clear()
                            self._on_control(opcode, payload, events)
                    if self._phase == "over":
                        break
            except ProtocolFailure as failure:
                self._answer_close(failure.code.to_bytes(2, "big") + failure.reason.encode())
                events.append(self._over(Closed(failure.code, failure.reason)))
        return events

    def receive_eof(self) -> list[Event]:
        return [] if self._phase == "over" else [self._over(Closed(1006, ""))]

    def send(self, message: str | bytes) -> None:
        self._require_open()
        self._send_buffer += encode_message(message)

    def ping(self, payload: bytes = b"") -> None:
        self._require_open()
        if len(payload) > 125:
            raise ValueError("ping payload of more than 125 bytes")
        self._send_buffer += encode_frame(9, bytes(payload))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._phase == "handshake":
            raise RuntimeError("close before the opening")
        if self._phase != "open":
            return
        encoded = reason.encode("utf-8")
        if not valid_code(code):
            raise ValueError(f"code {code} may not be sent")
        if len(encoded) > 123:
            raise ValueError("reason of more than 123 bytes")
        self._send_buffer += encode_frame(8, code.to_bytes(2, "big") + encoded)
        self._phase = "closing"
        self._expected_pong = None
        self._timer = time.monotonic() + self._close_patience

    def data_to_send(self) -> bytes:
        out, self._send_buffer = bytes(self._send_buffer), bytearray()
        return out

    def next_timer(self) -> float | None:
        return None if self._timer is None else self._timer - time.monotonic()

    def handle_timer(self) -> list[Event]:
        now = time.monotonic()
        if self._timer is None or self._timer > now:
            return []
        if self._phase == "closing" or self._expected_pong is not None:
            return [self._over(Closed(1006, ""))]
        self._expected_pong = secrets.token_bytes(12)
        self._send_buffer += encode_frame(9, self._expected_pong)
        self._timer = now + self._patience
        return []

    def _require_open(self) -> None:
        if self._phase != "open":
            raise RuntimeError("the connection isn't open")

    def _over(self, event: Event) -> Event:
        self._phase = "over"
        self._timer = None
        self._head, self._binary, self._text = bytearray(), bytearray(), []
        return event

    def _answer_close(self, payload: bytes) -> None:
        if self._phase == "open":
            self._send_buffer += encode_frame(8, payload)

    def _receive_head(self, data: memoryview, events: list[Event]) -> memoryview:
        before = len(self._head)
        self._head += data[: 8193 - before]
        end = self._head.find(b"\r\n\r\n", max(0, before - 3), 8192)
        if end < 0:
            if len(self._head) > 8192:
                events.append(self._refuse(431, "Request Header Fields Too Large"))
            return data[:0]
        status, path, key = self._examine(bytes(self._head[:end]).decode("latin-1"))
        self._head = bytearray()
        if status == 101:
            accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest())
            self._send_buffer += b"HTTP/1.1 101 Switching Protocols\r\n"
            self._send_buffer += b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            self._send_buffer += b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            self._phase = "open"
            self._timer = time.monotonic() + self._interval
            events.append(Opened(path))
        elif status == 426:
            events.append(self._refuse(426, "Upgrade Required", "Sec-WebSocket-Version: 13", "Upgrade: websocket"))
        else:
            events.append(self._refuse(400, "Bad Request"))
        return data[end + 4 - before :]

    def _refuse(self, status: int, phrase: str, *more: str) -> Event:
        body = f"{status} {phrase}\n"
        fields = ["Connection: close", "Content-Type: text/plain", f"Content-Length: {len(body)}", *more]
        self._send_buffer += "\r\n".join([f"HTTP/1.1 {status} {phrase}", *fields, "", body]).encode()
        return self._over(Rejected(status))

    @staticmethod
    def _examine(head: str) -> tuple[int, str, str]:
        request_line, *lines = head.split("\r\n")
        try:
            method, path, version = request_line.split(" ")
        except ValueError:
            return 400, "", ""
        fields: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or any(c in " \t" for c in name):
                return 400, "", ""
            name, value = name.lower(), value.strip(BLANKS)
            fields[name] = f"{fields[name]}, {value}" if name in fields else value

        def has(name: str, token: str) -> bool:
            return token in [v.strip(BLANKS).lower() for v in fields.get(name, "").split(",")]

        key = fields.get("sec-websocket-key", "")
        try:
            good_key = len(base64.b64decode(key, validate=True)) == 16 and len(key) == 24
        except (binascii.Error, ValueError):
            good_key = False
        if method != "GET" or version != "HTTP/1.1" or not path or "host" not in fields or not good_key:
            return 400, "", ""
        if not has("upgrade", "websocket") or not has("connection", "upgrade"):
            return 400, "", ""
        return (101 if fields.get("sec-websocket-version") == "13" else 426), path, key

    def _on_data(self, opcode: int, complete: bool, piece: bytes, events: list[Event]) -> None:
        self._kind = opcode or self._kind
        if self._kind == 1:
            try:
                self._text.append(self._decoder.decode(piece, complete))
            except UnicodeDecodeError:
                raise ProtocolFailure(1007, "text isn't UTF-8") from None
        else:
            self._binary += piece
        if complete:
            events.append(Message("".join(self._text) if self._kind == 1 else bytes(self._binary)))
            self._kind = 0
            self._text = []
            self._binary = bytearray()
            self._decoder.reset()

    def _on_control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == 9:
            if self._phase == "open":
                self._send_buffer += encode_frame(10, payload)
            events.append(Ping(payload))
        elif opcode == 10:
            if payload == self._expected_pong:
                self._expected_pong = None
                self._timer = time.monotonic() + self._interval
            events.append(Pong(payload))
        elif not payload:
            self._answer_close(b"")
            events.append(self._over(Closed(1005, "")))
        else:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) == 1 or not valid_code(code):
                raise ProtocolFailure(1002, "close code")
            try:
                reason = payload[2:].decode("utf-8")
            except UnicodeDecodeError:
                raise ProtocolFailure(1007, "reason isn't UTF-8") from None
            self._answer_close(payload)
            events.append(self._over(Closed(code, reason)))


class _Subscriber:
    def __init__(self, client, limit: int, on_gone) -> None:
        self.client = client
        self._limit = limit
        self._on_gone = on_gone
        self._pending = bytearray()
        self._in_flight = 0
        self._task: asyncio.Task | None = None
        self._ended = False

    def offer(self, data: bytes) -> bool:
        if self._in_flight + len(self._pending) + len(data) > self._limit:
            return False
        self._pending += data
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return True

    def end(self) -> None:
        self._ended = True
        self._pending.clear()
        if self._task is not None:
            self._task.cancel()

    async def _drain(self) -> None:
        try:
            while self._pending and not self._ended:
                batch = bytes(self._pending)
                self._pending.clear()
                self._in_flight = len(batch)
                await self.client.write(batch)
                self._in_flight = 0
        except ConnectionError:
            self._task = None
            if not self._ended:
                self._on_gone(self.client)
        finally:
            self._task = None


class Broadcaster:
    def __init__(self, buffer_limit: int) -> None:
        self._buffer_limit = buffer_limit
        self._subscribers: dict = {}
        self._past = WeakSet()

    def add(self, client) -> None:
        if client not in self._subscribers and client not in self._past:
            self._subscribers[client] = _Subscriber(client, self._buffer_limit, self.remove)

    def remove(self, client) -> None:
        subscriber = self._subscribers.pop(client, None)
        if subscriber is not None:
            self._past.add(client)
            subscriber.end()

    def publish(self, message: str | bytes) -> int:
        data = encode_message(message)
        taken = 0
        for subscriber in list(self._subscribers.values()):
            if subscriber.offer(data):
                taken += 1
            else:
                self.remove(subscriber.client)
                subscriber.client.abort()
        return taken
