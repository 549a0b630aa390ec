"""What the checks of 20-websockets start from: a connection whose client is the grader, and clients to broadcast to."""

import pytest
from cases import ways_to_cut

from kata.grading import named, remote
from kata.grading.clients import talk
from kata.grading.websocket import CLOSE, Peer, Subscriber, close, close_codes, closing, kind, text


@pytest.fixture
def new_peer(world, student):
    """Makes a connection and the client's side of it; a check names only the options that it is about."""
    return lambda **options: peer_of(world, student, **options)


@pytest.fixture
def fresh(new_peer):
    """The client's side of a connection whose opening is still to come."""
    return new_peer()


@pytest.fixture
def new_open(new_peer):
    """Makes the client's side of an open connection."""

    def make(**options):
        peer = new_peer(**options)
        peer.open()
        return peer

    return make


@pytest.fixture
def peer(new_open):
    """The client's side of an open connection."""
    return new_open()


@pytest.fixture
def begin(world):
    """Begins a run of its own, for one example of a property: the client's side of an open connection."""

    def begin():
        world.reset()
        peer = peer_of(world, world.student())
        peer.open()
        return peer

    return begin


@pytest.fixture
def converse(world, new_peer):
    """Has the real client talk to an echo; gives what it brings home, and the events that the server had.

    `hear` are things to do before the echo, by the kind of the event.
    """

    def converse(client, **hear):
        peer, events = new_peer(), []

        def answer(event):
            events.append(event)
            hear.get(kind(event).lower(), lambda connection: None)(peer.connection)
            if kind(event) == "Message" and "message" not in hear:
                peer.connection.send(event.data)

        return talk(world, peer, client, answer), events

    return converse


@pytest.fixture
def must_fail(new_peer):
    """Sees that each of some streams ends its connection with a code, however it is cut."""

    def must_fail(code, cases, **options):
        for case, cut in ways_to_cut(cases):
            fails_once(new_peer(**options), code, case, cut)

    return must_fail


def fails_once(peer, code, case, cut):
    """The violation ends the connection once, and nothing comes after it."""
    after = f"after {case}, {cut.name}"
    events = peer.open_and_send(cut, text("afterwards"), close(1000), what=case)
    assert close_codes(events) == [code], f"the codes of the Closed events {after}"
    assert kind(events[-1]) == "Closed", f"the kind of the last event {after}"
    frames = [(frame.opcode, frame.payload[:2]) for frame in peer.heard()]
    assert frames == [(CLOSE, closing(code))], f"opcode and first two bytes of the frames that were sent {after}"


@pytest.fixture
def broadcaster(student):
    """A broadcaster that holds up to 1,000 bytes for each client."""
    return named("broadcaster", student.Broadcaster(1000))


@pytest.fixture
def clients(world, broadcaster):
    """Four clients that were added."""
    four = [Subscriber(world, name) for name in ("ada", "bob", "cyd", "dan")]
    for client in four:
        broadcaster.add(client)
    return four


@pytest.fixture
def late(world):
    """A client that was not added yet."""
    return Subscriber(world, "eve")


@pytest.fixture
def new_witness(world):
    """Makes a client that knows a moment, and what is done to it afterwards."""
    return lambda name: Witness(world, name)


class Witness(Subscriber):
    """A client that keeps what is done to it after a call has returned.

    What a process answers and asks is heard in its order, also of one moment: so it knows which came first.
    """

    def __init__(self, world, name):
        super().__init__(world, name)
        self.call = None
        """The call that it minds."""
        self.afterwards = []
        """What was done to it after that had returned."""

    @remote
    async def write(self, data):
        """Take bytes."""
        self._mind("write")
        await super().write(data)

    @remote
    def abort(self):
        """Hang up."""
        self._mind("abort")
        super().abort()

    def _mind(self, what):
        if self.call is not None and self.call.done:
            self.afterwards.append(what)


def peer_of(world, student, **options):
    return Peer(world, named("connection", student.WebSocketServer(**options)))
