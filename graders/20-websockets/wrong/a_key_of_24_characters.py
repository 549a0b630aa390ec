"""Loses: handshake. A key is right when it is base64 and has 24 characters."""

import asyncio
import base64
import binascii
import hashlib
import os
import struct
import time
from collections import deque
from dataclasses import dataclass


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
HEAD_LIMIT = 8192


def frame(opcode, payload):
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


def message_frame(message):
    if isinstance(message, str):
        return frame(1, message.encode())
    return frame(2, bytes(message))


def sendable(code):
    return 1000 <= code <= 1003 or 1007 <= code <= 1011 or 3000 <= code <= 4999


def unmask(payload, key):
    size = len(payload)
    if not size:
        return b""
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


class Failure(Exception):
    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Refusal(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class WebSocketServer:
    def __init__(self, *, max_message=1_048_576, ping_interval=20.0, ping_timeout=10.0, close_timeout=5.0):
        self.max_message = max_message
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        self.state = "connecting"  # open, closing, over
        self.inbox = bytearray()
        self.scanned = 0
        self.outbox = []
        self.kind = None  # opcode of the message that has begun
        self.parts = bytearray()
        self.ping_at = None
        self.pong_by = None
        self.pinged = None
        self.count = 0
        self.close_by = None
        self.close_sent = False

    # in
    def receive_data(self, data):
        events = []
        if self.state == "over":
            return events
        self.inbox += data
        if self.state == "connecting":
            try:
                opened = self._handshake()
            except Refusal as no:
                self._refuse(no.status)
                events.append(Rejected(no.status))
                return events
            if opened is None:
                return events
            events.append(opened)
        try:
            while self.state != "over":
                item = self._next_frame()
                if item is None:
                    break
                self._on_frame(*item, events)
        except Failure as bad:
            if not self.close_sent:
                self._send_close(bad.code, bad.reason)
            events.append(Closed(bad.code, bad.reason))
            self._over()
        return events

    def receive_eof(self):
        if self.state == "over":
            return []
        self._over()
        return [Closed(1006, "")]

    # out
    def _must_be_open(self):
        if self.state != "open":
            raise RuntimeError(f"the connection is {self.state}")

    def send(self, message):
        self._must_be_open()
        self.outbox.append(message_frame(message))

    def ping(self, payload=b""):
        self._must_be_open()
        if len(payload) > 125:
            raise ValueError("a ping has at most 125 bytes")
        self.outbox.append(frame(9, bytes(payload)))

    def close(self, code=1000, reason=""):
        if self.state == "connecting":
            raise RuntimeError("not open yet")
        if self.state != "open":
            return
        if not sendable(code) or len(reason.encode()) > 123:
            raise ValueError("may not be sent")
        self._send_close(code, reason)
        self.state = "closing"
        self.ping_at = self.pong_by = self.pinged = None
        self.close_by = time.monotonic() + self.close_timeout

    def data_to_send(self):
        out = b"".join(self.outbox)
        self.outbox.clear()
        return out

    # timers
    def _due(self):
        if self.state == "open":
            return self.ping_at if self.pinged is None else self.pong_by
        if self.state == "closing":
            return self.close_by
        return None

    def next_timer(self):
        due = self._due()
        return None if due is None else due - time.monotonic()

    def handle_timer(self):
        due = self._due()
        now = time.monotonic()
        if due is None or now < due:
            return []
        if self.state == "closing" or self.pinged is not None:
            self._over()
            return [Closed(1006, "")]
        self.count += 1
        self.pinged = b"keepalive" + struct.pack("!I", self.count) + os.urandom(4)
        self.pong_by = now + self.ping_timeout
        self.outbox.append(frame(9, self.pinged))
        return []

    # inner
    def _over(self):
        self.state = "over"
        self.inbox.clear()
        self.parts = bytearray()

    def _send_close(self, code, reason):
        self.close_sent = True
        self.outbox.append(frame(8, b"" if code is None else struct.pack("!H", code) + reason.encode()))

    def _refuse(self, status):
        phrase = {400: "Bad Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large"}[status]
        lines = [f"HTTP/1.1 {status} {phrase}", "Connection: close", "Content-Length: 0"]
        if status == 426:
            lines.append("Sec-WebSocket-Version: 13")
        self.outbox.append("\r\n".join([*lines, "", ""]).encode())
        self._over()

    def _handshake(self):
        end = self.inbox.find(b"\r\n\r\n", max(0, self.scanned - 3))
        self.scanned = len(self.inbox)
        size = len(self.inbox) if end < 0 else end + 4
        if size > HEAD_LIMIT:
            raise Refusal(431)
        if end < 0:
            return None
        head = bytes(self.inbox[:end]).decode("latin-1")
        del self.inbox[: end + 4]
        first, *rest = head.split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[0] != "GET" or words[2] != "HTTP/1.1" or not words[1]:
            raise Refusal(400)
        fields = {}
        for line in rest:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Refusal(400)
            fields.setdefault(name.lower(), []).append(value.strip(" \t"))

        def values(name):
            return [one.strip(" \t").lower() for line in fields.get(name, []) for one in line.split(",")]

        if "host" not in fields or "websocket" not in values("upgrade") or "upgrade" not in values("connection"):
            raise Refusal(400)
        keys = fields.get("sec-websocket-key", [])
        if len(keys) != 1:
            raise Refusal(400)
        try:
            raw = base64.b64decode(keys[0], validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(400) from None
        if len(keys[0]) != 24:
            raise Refusal(400)
        if fields.get("sec-websocket-version") != ["13"]:
            raise Refusal(426)
        accept = base64.b64encode(hashlib.sha1(keys[0].encode() + GUID).digest()).decode()
        self.outbox.append(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ).encode()
        )
        self.state = "open"
        self.ping_at = time.monotonic() + self.ping_interval
        return Opened(words[1])

    def _next_frame(self):
        box = self.inbox
        if len(box) < 2:
            return None
        fin, opcode, size = box[0] & 0x80, box[0] & 0x0F, box[1] & 0x7F
        if box[0] & 0x70:
            raise Failure(1002, "reserved bit")
        if opcode not in (0, 1, 2, 8, 9, 10):
            raise Failure(1002, "unknown opcode")
        if not box[1] & 0x80:
            raise Failure(1002, "not masked")
        if opcode >= 8 and (not fin or size > 125):
            raise Failure(1002, "bad control frame")
        if opcode == 0 and self.kind is None:
            raise Failure(1002, "nothing to continue")
        if opcode in (1, 2) and self.kind is not None:
            raise Failure(1002, "a message has not ended")
        start = 2
        if size == 126:
            start = 4
            if len(box) < start:
                return None
            size = int.from_bytes(box[2:4], "big")
        elif size == 127:
            start = 10
            if len(box) < start:
                return None
            size = int.from_bytes(box[2:10], "big")
            if size >> 63:
                raise Failure(1002, "length")
        if opcode < 8 and len(self.parts) + size > self.max_message:
            raise Failure(1009, "too big")
        start += 4
        if len(box) < start + size:
            return None
        payload = unmask(bytes(box[start : start + size]), bytes(box[start - 4 : start]))
        del box[: start + size]
        return fin, opcode, payload

    def _on_frame(self, fin, opcode, payload, events):
        if opcode == 9:
            if not self.close_sent:
                self.outbox.append(frame(10, payload))
            events.append(Ping(payload))
        elif opcode == 10:
            if self.pinged is not None and payload == self.pinged:
                self.pinged = self.pong_by = None
                self.ping_at = time.monotonic() + self.ping_interval
            events.append(Pong(payload))
        elif opcode == 8:
            self._on_close(payload, events)
        else:
            if opcode:
                self.kind = opcode
            self.parts += payload
            if fin:
                data = bytes(self.parts)
                if self.kind == 1:
                    try:
                        data = data.decode()
                    except UnicodeDecodeError:
                        raise Failure(1007, "not UTF-8") from None
                self.kind = None
                self.parts = bytearray()
                events.append(Message(data))

    def _on_close(self, payload, events):
        code, reason = None, ""
        if len(payload) == 1:
            raise Failure(1002, "a close of one byte")
        if payload:
            code = int.from_bytes(payload[:2], "big")
            if not sendable(code):
                raise Failure(1002, "bad close code")
            try:
                reason = payload[2:].decode()
            except UnicodeDecodeError:
                raise Failure(1007, "reason is not UTF-8") from None
        if not self.close_sent:
            self._send_close(code, "")
        events.append(Closed(1005 if code is None else code, reason))
        self._over()


class Line:
    def __init__(self):
        self.queue = deque()
        self.waiting = 0
        self.task = None
        self.ended = False


class Broadcaster:
    def __init__(self, buffer_limit):
        self.buffer_limit = buffer_limit
        self.lines = {}

    def add(self, client):
        if client not in self.lines:
            self.lines[client] = Line()

    def remove(self, client):
        line = self.lines.pop(client, None)
        if line is not None:
            line.ended = True
            line.queue.clear()

    def publish(self, message):
        data = message_frame(message)
        taken = 0
        for client, line in list(self.lines.items()):
            if line.waiting + len(data) > self.buffer_limit:
                self.remove(client)
                if line.task is not None:
                    line.task.cancel()
                client.abort()
                continue
            line.queue.append(data)
            line.waiting += len(data)
            taken += 1
            if line.task is None:
                line.task = asyncio.create_task(self._drain(client, line))
        return taken

    async def _drain(self, client, line):
        try:
            while line.queue and not line.ended:
                data = line.queue.popleft()
                await client.write(data)
                line.waiting -= len(data)
        except ConnectionError:
            self.remove(client)
        finally:
            line.task = None
