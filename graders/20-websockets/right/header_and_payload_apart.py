"""Design: A coroutine that is fed by hand reads the stream; a client is written each frame's header, and then its payload."""

from dataclasses import dataclass


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
    """The connection is over: the client's code and reason, 1005 without a code, 1006 without a close,
    or the code with which you failed the connection."""

    code: int
    reason: str


Event = Opened | Rejected | Message | Ping | Pong | Closed


import asyncio
import base64
import email.parser
import hashlib
import time
import types

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
clock = time.monotonic


class Violation(Exception):
    def __init__(self, code):
        self.code = code


@types.coroutine
def exactly(n):
    return (yield ("exactly", n))


@types.coroutine
def head():
    return (yield ("head", 8192))


def as_frame(message):
    return build(1, message.encode()) if isinstance(message, str) else build(2, message)


def build(opcode, payload=b""):
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x7f" + size.to_bytes(8, "big")
    return b"".join((bytes([0x80 | opcode]), length, payload))


def sendable(code):
    return code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012) or 3000 <= code < 5000


class WebSocketServer:
    """A coroutine driven by hand, with email's parser for the headers. A frame is judged when all of its header is there,
    its size first; text is decoded frame by frame; failing gives no reason; lines of the head without a colon end it."""

    def __init__(self, *, max_message=1_048_576, ping_interval=20.0, ping_timeout=10.0, close_timeout=5.0):
        self.max_message = max_message
        self.ping_interval, self.ping_timeout, self.close_timeout = ping_interval, ping_timeout, close_timeout
        self.opened = self.closing = self.over = False
        self.outgoing, self.events = [], []
        self.data, self.position = bytearray(), 0
        self.next_ping = self.give_up = self.awaited = None
        self.pings = 0
        self.program = self.run()
        self.wish = self.program.send(None)

    # the driver

    def fulfilled(self):
        kind, n = self.wish
        have = len(self.data) - self.position
        if kind == "exactly":
            if have < n:
                return None
            got = bytes(self.data[self.position : self.position + n])
            self.position += n
            return got
        end = self.data.find(b"\r\n\r\n", max(0, self.position))
        if end >= 0:
            if end + 4 > n:
                return b""
            self.position = end + 4
            return bytes(self.data[: end + 4])
        if len(self.data) > n:
            return b""
        return None

    def receive_data(self, data):
        if self.over:
            return []
        self.data += data
        try:
            while (got := self.fulfilled()) is not None:
                self.wish = self.program.send(got)
        except StopIteration:
            self.over, self.next_ping, self.give_up = True, None, None
            self.data.clear()
        if self.position > 1 << 16 or self.position == len(self.data):
            del self.data[: self.position]
            self.position = 0
        return self.take_events()

    def take_events(self):
        events, self.events = self.events, []
        return events

    # the program

    async def run(self):
        if not await self.shake():
            return
        try:
            await self.talk()
        except Violation as v:
            self.answer_close(v.code.to_bytes(2, "big"))
            self.events.append(Closed(v.code, ""))

    def answer_close(self, payload):
        if not self.closing:
            self.closing = True
            self.outgoing.append(build(8, payload))

    async def shake(self):
        request = await head()
        status = 431 if not request else self.judge(request)
        if status != 101:
            body = b"<h1>no</h1>"
            self.outgoing.append(b"HTTP/1.1 %d Sorry\r\nConnection: close\r\n" % status)
            if status == 426:
                self.outgoing.append(b"Sec-WebSocket-Version: 13\r\n")
            self.outgoing.append(b"Content-Length: %d\r\nContent-Type: text/html\r\n\r\n%b" % (len(body), body))
            self.events.append(Rejected(status))
            return False
        return True

    def judge(self, request):
        first, _, rest = request.partition(b"\r\n")
        words = first.split(b" ")
        if len(words) != 3 or words[0] != b"GET" or words[2] != b"HTTP/1.1":
            return 400
        message = email.parser.BytesParser().parsebytes(rest, headersonly=True)
        many = lambda name: [v.strip() for h in message.get_all(name, []) for v in str(h).split(",")]  # noqa: E731
        key = str(message.get("Sec-WebSocket-Key", "")).strip()
        try:
            raw = base64.b64decode(key.encode(), validate=True)
        except ValueError:
            return 400
        if len(raw) != 16 or message.get("Host") is None:
            return 400
        if "websocket" not in map(str.lower, many("Upgrade")) or "upgrade" not in map(str.lower, many("Connection")):
            return 400
        if many("Sec-WebSocket-Version") != ["13"]:
            return 426
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        self.outgoing.append(
            "\r\n".join(
                ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", "", ""]
            ).encode()
        )
        self.opened, self.next_ping = True, clock() + self.ping_interval
        self.events.append(Opened(words[1].decode("latin-1")))
        return 101

    async def talk(self):
        kind, parts, total, tail = None, [], 0, b""
        while True:
            a, b = await exactly(2)
            length = b & 0x7F
            if length == 126:
                length = int.from_bytes(await exactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await exactly(8), "big")
            opcode = a & 0x0F
            if opcode < 3 and (total if opcode == 0 else 0) + length > self.max_message:
                raise Violation(1009)
            if a & 0x70 or not b & 0x80 or opcode not in (0, 1, 2, 8, 9, 10):
                raise Violation(1002)
            mask = await exactly(4)
            if opcode >= 8:
                if not a & 0x80 or length > 125:
                    raise Violation(1002)
            elif (kind is None) == (opcode == 0):
                raise Violation(1002)
            payload = await exactly(length) if length else b""
            payload = bytearray(payload)
            for i in range(4):
                payload[i::4] = payload[i::4].translate(bytes(x ^ mask[i] for x in range(256)))
            payload = bytes(payload)
            if opcode >= 8:
                if self.control(opcode, payload):
                    return
                continue
            kind = kind or opcode
            total += length
            if kind == 1:
                payload = tail + payload
                try:
                    text, tail = payload.decode(), b""
                except UnicodeDecodeError as e:
                    if e.reason != "unexpected end of data" or a & 0x80:
                        raise Violation(1007) from None
                    text, tail = payload[: e.start].decode(), payload[e.start :]
                parts.append(text)
            else:
                parts.append(payload)
            if a & 0x80:
                self.events.append(Message(("" if kind == 1 else b"").join(parts)))
                kind, parts, total, tail = None, [], 0, b""

    def control(self, opcode, payload):
        if opcode == 9:
            self.events.append(Ping(payload))
            if not self.closing:
                self.outgoing.append(build(10, payload))
        elif opcode == 10:
            self.events.append(Pong(payload))
            if self.awaited is not None and payload == self.awaited and not self.closing:
                self.awaited = self.give_up = None
                self.next_ping = clock() + self.ping_interval
        elif not payload:
            self.answer_close(b"")
            self.events.append(Closed(1005, ""))
            return True
        else:
            if len(payload) < 2 or not sendable(int.from_bytes(payload[:2], "big")):
                raise Violation(1002)
            try:
                reason = str(payload[2:], "utf-8")
            except UnicodeDecodeError:
                raise Violation(1007) from None
            self.answer_close(payload[:2])
            self.events.append(Closed(int.from_bytes(payload[:2], "big"), reason))
            return True
        return False

    def receive_eof(self):
        if self.over:
            return []
        self.over, self.next_ping, self.give_up = True, None, None
        self.program.close()
        return [Closed(1006, "")]

    def check(self):
        if not self.opened or self.closing or self.over:
            raise RuntimeError("not open")

    def send(self, message):
        self.check()
        self.outgoing.append(as_frame(message))

    def ping(self, payload=b""):
        self.check()
        if len(payload) > 125:
            raise ValueError("ping")
        self.outgoing.append(build(9, payload))

    def close(self, code=1000, reason=""):
        if self.over or self.closing:
            return
        if not self.opened:
            raise RuntimeError("not open")
        data = reason.encode()
        if not sendable(code) or len(data) > 123:
            raise ValueError("close")
        self.answer_close(code.to_bytes(2, "big") + data)
        self.next_ping = self.awaited = None
        self.give_up = clock() + self.close_timeout

    def data_to_send(self):
        data = b"".join(self.outgoing)
        self.outgoing = []
        return data

    def next_timer(self):
        times = [t for t in (self.next_ping, self.give_up) if t is not None]
        return max(0.0, min(times) - clock()) if times else None

    def handle_timer(self):
        if self.give_up is not None and clock() >= self.give_up:
            return self.receive_eof()
        if self.next_ping is not None and clock() >= self.next_ping:
            self.pings += 1
            self.awaited = f"ping {self.pings} ".encode().ljust(125, b".")
            self.outgoing.append(build(9, self.awaited))
            self.next_ping, self.give_up = None, clock() + self.ping_timeout
        return []


class Broadcaster:
    """A queue and a task for each client; the header and the payload are two writes; a frame waits until the last of it has been taken."""

    def __init__(self, buffer_limit):
        self.buffer_limit, self.queues, self.waiting, self.tasks = buffer_limit, {}, {}, {}

    def add(self, client):
        if client not in self.queues:
            self.queues[client], self.waiting[client] = asyncio.Queue(), 0
            self.tasks[client] = asyncio.create_task(self.serve(client, self.queues[client]))

    def remove(self, client):
        if client in self.queues:
            del self.queues[client], self.waiting[client]
            self.tasks.pop(client).cancel()

    def publish(self, message):
        frame = as_frame(message)
        for client in [c for c, n in self.waiting.items() if n + len(frame) > self.buffer_limit]:
            self.remove(client)
            client.abort()
        for client, queue in self.queues.items():
            queue.put_nowait(frame)
            self.waiting[client] += len(frame)
        return len(self.queues)

    async def serve(self, client, queue):
        try:
            while True:
                frame = await queue.get()
                cut = {126: 4, 127: 10}.get(frame[1], 2)
                await client.write(frame[:cut])
                if len(frame) > cut:
                    await client.write(frame[cut:])
                self.waiting[client] -= len(frame)
        except ConnectionError:
            self.queues.pop(client, None)
            self.waiting.pop(client, None)
            self.tasks.pop(client, None)
