"""20-websockets: a WebSocket server without I/O, and a broadcaster. README.md says what is asked."""

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
        """`max_message` is in bytes, the others are in seconds and more than 0."""
        raise NotImplementedError("Write WebSocketServer.__init__ first.")

    def receive_data(self, data: bytes) -> list[Event]:
        """What the client has sent, cut anywhere; what it means, in order."""
        raise NotImplementedError("Write WebSocketServer.receive_data.")

    def receive_eof(self) -> list[Event]:
        """The client has hung up: `[Closed(1006, "")]`, unless the connection was over before."""
        raise NotImplementedError("Write WebSocketServer.receive_eof.")

    def send(self, message: str | bytes) -> None:
        """Send a message in one frame. RuntimeError when the connection isn't open, or is closing."""
        raise NotImplementedError("Write WebSocketServer.send.")

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping. RuntimeError as for `send`; ValueError for more than 125 bytes."""
        raise NotImplementedError("Write WebSocketServer.ping.")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame. ValueError for what may not be sent; RuntimeError before the opening."""
        raise NotImplementedError("Write WebSocketServer.close.")

    def data_to_send(self) -> bytes:
        """All that is to go to the client since the last call."""
        raise NotImplementedError("Write WebSocketServer.data_to_send.")

    def next_timer(self) -> float | None:
        """In how many seconds `handle_timer` has something to do; None: never."""
        raise NotImplementedError("Write WebSocketServer.next_timer.")

    def handle_timer(self) -> list[Event]:
        """Send the ping that is due, or give up a client that did not answer in time."""
        raise NotImplementedError("Write WebSocketServer.handle_timer.")


class Broadcaster:
    """Sends every message to every client, and lets none of them wait for another."""

    def __init__(self, buffer_limit: int) -> None:
        """At most `buffer_limit` bytes wait for one client."""
        raise NotImplementedError("Write Broadcaster.__init__ first.")

    def add(self, client) -> None:
        """From now on `client` is given what is published. It has `async write(data)` and `abort()`."""
        raise NotImplementedError("Write Broadcaster.add.")

    def remove(self, client) -> None:
        """From now on nothing more is written to `client`."""
        raise NotImplementedError("Write Broadcaster.remove.")

    def publish(self, message: str | bytes) -> int:
        """Take the message for every client, and return at once: for how many it was taken."""
        raise NotImplementedError("Write Broadcaster.publish.")
