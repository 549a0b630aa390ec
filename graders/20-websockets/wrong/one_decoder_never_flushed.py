"""Loses: bad-text. The decoder is not asked at the end of a message whether it waits for more."""

import asyncio
import base64
import binascii
import hashlib
import os
import codecs
import re
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


class Violation(Exception):
    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def make(op, payload):
    n = len(payload)
    out = bytearray([0x80 | op])
    if n <= 125:
        out.append(n)
    elif n <= 0xFFFF:
        out.append(126)
        out += n.to_bytes(2, "big")
    else:
        out.append(127)
        out += n.to_bytes(8, "big")
    return bytes(out) + payload


def encode_message(message):
    return make(1, message.encode("utf-8")) if isinstance(message, str) else make(2, bytes(message))


def allowed_code(code):
    return code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code < 5000


TABLES = [bytes(i ^ k for i in range(256)) for k in range(256)]


class Masker:
    """Unmasks a payload that comes in pieces."""

    def __init__(self, key):
        self.key, self.at = key, 0

    def __call__(self, piece):
        out = bytearray(piece)
        for lane in range(4):
            k = self.key[(self.at + lane) % 4]
            out[lane::4] = out[lane::4].translate(TABLES[k])
        self.at += len(piece)
        return bytes(out)


TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class WebSocketServer:
    def __init__(self, *, max_message=1_048_576, ping_interval=20.0, ping_timeout=10.0, close_timeout=5.0):
        self.limit = max_message
        self.interval, self.timeout, self.patience = ping_interval, ping_timeout, close_timeout
        self.opened = self.ended = self.close_sent = False
        self.out = bytearray()
        self.events = []
        self.alarm = None  # (when, what)
        self.token = None
        self.n = 0
        self.chunk, self.at = b"", 0
        self.machine = self._run()
        next(self.machine)

    # -- the generator: it yields when it needs more bytes
    def _some(self, most):
        """Between 1 and `most` bytes."""
        while self.at >= len(self.chunk):
            yield
        got = self.chunk[self.at : self.at + most]
        self.at += len(got)
        return got

    def _exactly(self, n):
        got = bytearray()
        while len(got) < n:
            got += yield from self._some(n - len(got))
        return bytes(got)

    def _run(self):
        if not (yield from self._hello()):
            return
        try:
            yield from self._frames()
        except Violation as v:
            if not self.close_sent:
                self._close_frame(v.code, str(v))
            self._end(Closed(v.code, str(v)))

    def _hello(self):
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            if len(head) > 8192:
                self._no(431)
                return False
            head += yield from self._some(1)
        if len(head) > 8192:
            self._no(431)
            return False
        try:
            request, *lines = head[:-4].decode("latin-1").split("\r\n")
            m = re.match(r"GET ([^ ]+) HTTP/1\.1\Z", request)
            if not m:
                raise ValueError
            got = {}
            for line in lines:
                name, sep, value = line.partition(":")
                if not sep or not TOKEN.match(name):
                    raise ValueError
                name, value = name.lower(), value.strip(" \t")
                got[name] = got[name] + "," + value if name in got else value
            listed = lambda name: [v.strip(" \t").lower() for v in got.get(name, "").split(",")]  # noqa: E731
            if "host" not in got or "websocket" not in listed("upgrade") or "upgrade" not in listed("connection"):
                raise ValueError
            key = got.get("sec-websocket-key", "")
            if not re.match(r"[A-Za-z0-9+/]{22}==\Z", key):
                raise ValueError
        except ValueError:
            self._no(400)
            return False
        if got.get("sec-websocket-version") != "13":
            self._no(426)
            return False
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.out += b"HTTP/1.1 101 Welcome\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
        self.out += base64.b64encode(digest) + b"\r\n\r\n"
        self.opened = True
        self.alarm = time.monotonic() + self.interval
        self.events.append(Opened(m[1]))
        return True

    def _no(self, status):
        extra = "Sec-WebSocket-Version: 13\r\n" if status == 426 else ""
        body = f"refused: {status}\n"
        self.out += (
            f"HTTP/1.1 {status} Refused\r\nConnection: close\r\n{extra}Content-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        self._end(Rejected(status))

    def _frames(self):
        op = 0  # of the message that has begun
        size = 0
        pieces, decoder = [], None
        keep = codecs.getincrementaldecoder("utf-8")()
        while True:
            (a,) = yield from self._some(1)
            if a & 0x70:
                raise Violation(1002, "reserved bits")
            final, this = a >> 7, a & 15
            if this in (3, 4, 5, 6, 7) or this > 10:
                raise Violation(1002, "opcode")
            if this >= 8 and not final:
                raise Violation(1002, "fragmented control frame")
            if this == 0 and not op or this in (1, 2) and op:
                raise Violation(1002, "continuation")
            (b,) = yield from self._some(1)
            if not b & 0x80:
                raise Violation(1002, "mask")
            length = b & 0x7F
            if this >= 8 and length > 125:
                raise Violation(1002, "long control frame")
            if length == 126:
                length = int.from_bytes((yield from self._exactly(2)), "big")
                if length < 126:
                    raise Violation(1002, "length in too long a form")
            elif length == 127:
                length = int.from_bytes((yield from self._exactly(8)), "big")
                if length < 65536:
                    raise Violation(1002, "length in too long a form")
            if this < 8 and size + length > self.limit:
                raise Violation(1009, f"more than {self.limit} bytes")
            unmask = Masker((yield from self._exactly(4)))
            if this >= 8:
                payload = unmask((yield from self._exactly(length)))
                if this == 9:
                    if not self.close_sent:
                        self.out += make(10, payload)
                    self.events.append(Ping(payload))
                elif this == 10:
                    if self.token is not None and payload == self.token:
                        self.token = None
                        self.alarm = time.monotonic() + self.interval
                    self.events.append(Pong(payload))
                else:
                    self._bye(payload)
                    return
                continue
            if this:
                op, pieces, size = this, [], 0
                decoder = keep if op == 1 else None
            size += length
            while length:
                piece = yield from self._some(length)
                length -= len(piece)
                piece = unmask(piece)
                if decoder:
                    try:
                        piece = decoder.decode(piece)
                    except UnicodeDecodeError:
                        raise Violation(1007, "UTF-8") from None
                pieces.append(piece)
            if final:
                if decoder:
                    try:
                        pass
                    except UnicodeDecodeError:
                        raise Violation(1007, "UTF-8") from None
                    self.events.append(Message("".join(pieces)))
                else:
                    self.events.append(Message(b"".join(pieces)))
                op, size = 0, 0

    def _bye(self, payload):
        if not payload:
            event = Closed(1005, "")
        elif len(payload) == 1:
            raise Violation(1002, "half a code")
        else:
            code = int.from_bytes(payload[:2], "big")
            if not allowed_code(code):
                raise Violation(1002, "code")
            try:
                event = Closed(code, payload[2:].decode("utf-8"))
            except UnicodeDecodeError:
                raise Violation(1007, "UTF-8") from None
        if not self.close_sent:
            self.close_sent = True
            self.out += make(8, payload)
        self._end(event)

    def _end(self, event):
        self.ended, self.alarm = True, None
        self.events.append(event)

    def _close_frame(self, code, reason):
        self.close_sent = True
        self.out += make(8, code.to_bytes(2, "big") + reason.encode("utf-8"))

    def receive_data(self, data):
        if self.ended:
            return []
        self.chunk, self.at = data, 0
        self.events = []
        try:
            if data:
                next(self.machine)
        except StopIteration:
            pass
        self.chunk = b""
        return self.events

    def receive_eof(self):
        if self.ended:
            return []
        self.events = []
        self._end(Closed(1006, ""))
        return self.events

    def _check(self):
        if not self.opened or self.ended or self.close_sent:
            raise RuntimeError("not open")

    def send(self, message):
        self._check()
        self.out += encode_message(message)

    def ping(self, payload=b""):
        self._check()
        if len(payload) > 125:
            raise ValueError("too long")
        self.out += make(9, payload)

    def close(self, code=1000, reason=""):
        if self.ended:
            return
        if not self.opened:
            raise RuntimeError("not open")
        if not allowed_code(code) or len(reason.encode("utf-8")) > 123:
            raise ValueError("code or reason")
        if self.close_sent:
            return
        self._close_frame(code, reason)
        self.token = None
        self.alarm = time.monotonic() + self.patience

    def data_to_send(self):
        out, self.out = bytes(self.out), bytearray()
        return out

    def next_timer(self):
        return None if self.alarm is None else max(0.0, self.alarm - time.monotonic())

    def handle_timer(self):
        now = time.monotonic()
        if self.alarm is None or now < self.alarm:
            return []
        if self.close_sent or self.token is not None:
            self.events = []
            self._end(Closed(1006, ""))
            return self.events
        self.n += 1
        self.token = f"{id(self)}-{self.n}".encode()
        self.out += make(9, self.token)
        self.alarm = now + self.timeout
        return []


class Member:
    def __init__(self, client):
        self.client = client
        self.pending = bytearray()
        self.writing = 0
        self.wake = asyncio.Event()
        self.task = asyncio.ensure_future(self.run())
        self.gone = False

    async def run(self):
        while True:
            while not self.pending:
                self.wake.clear()
                await self.wake.wait()
            if self.gone:
                return
            batch, self.pending = bytes(self.pending), bytearray()
            self.writing = len(batch)
            try:
                await self.client.write(batch)
            except ConnectionError:
                self.gone = True
                return
            self.writing = 0

    def stop(self):
        self.gone = True
        self.pending = bytearray()
        self.task.cancel()


class Broadcaster:
    def __init__(self, buffer_limit):
        self.buffer_limit = buffer_limit
        self.members = {}

    def add(self, client):
        old = self.members.get(client)
        if old is None or old.gone:
            self.members[client] = Member(client)

    def remove(self, client):
        member = self.members.pop(client, None)
        if member:
            member.stop()

    def publish(self, message):
        data = encode_message(message)
        for client, member in list(self.members.items()):
            if member.gone:
                del self.members[client]
            elif member.writing + len(member.pending) + len(data) > self.buffer_limit:
                self.remove(client)
                client.abort()
            else:
                member.pending += data
                member.wake.set()
        return len(self.members)
