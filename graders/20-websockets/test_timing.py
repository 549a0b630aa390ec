"""What the server costs: virtual seconds, work, and what waits for a slow client."""

from cases import closed, in_turns, message, ping, pong

from kata.grading import check, growth, named
from kata.grading.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    binary,
    bytewise,
    client_frame,
    close,
    text,
)

ENOUGH = 200
"""Seconds in which also who writes byte by byte to a slow client has written all."""

LETTERS = client_frame(TEXT, "üü".encode())[-4:]
"""Four bytes of text as a client sends them. Its mask has four bytes, so more of it are these again and again."""


@check("deadlines")
def test_a_ping_is_due_at_its_interval(new_open, clock):
    """A ping is sent ping_interval seconds after the opening, not earlier, and once."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    clock.advance(7.5)
    assert peer.wake() == []
    assert peer.connection.next_timer() == 0.5
    assert peer.heard() == [], "the frames that were sent half a second too early"
    clock.advance(0.5)
    assert peer.wake() == []
    assert peer.wake() == []
    assert [frame.opcode for frame in peer.heard()] == [PING], "the opcodes of what was sent when the ping was due"
    assert peer.connection.next_timer() == 3


@check("deadlines")
def test_an_answered_ping_is_followed_by_the_next(new_open, clock):
    """The next ping is due ping_interval seconds after the last one was answered, and so on."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    for _ in range(12):
        payload = next_ping(peer, clock, after=8)
        clock.advance(2)
        assert peer.send(client_frame(PONG, payload)) == [pong(payload=payload)]
        assert peer.connection.next_timer() == 8
    clock.advance(7.5)
    assert peer.wake() == []
    assert peer.heard() == [], "the frames that were sent before the thirteenth ping was due"


@check("deadlines")
def test_an_unanswered_ping_ends_it(new_open, clock):
    """A client that has not answered ping_timeout seconds after the ping is gone, and not a moment earlier."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    next_ping(peer, clock, after=8)
    clock.advance(2.5)
    assert peer.wake() == []
    clock.advance(0.5)
    assert peer.wake() == [closed(code=1006, reason="")]
    assert peer.connection.next_timer() is None
    assert peer.wake() == []
    assert peer.heard_bytes() == b"", "what was sent to the client that has gone"


@check("deadlines")
def test_nothing_else_is_an_answer(new_open, clock):
    """Neither data, nor a ping, nor a pong with another payload is the answer to a ping."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    assert peer.send(client_frame(PONG, b"unasked")) == [pong(payload=b"unasked")]
    payload = next_ping(peer, clock, after=8)
    clock.advance(1)
    other = b"!" if len(payload) != 1 else b"no"
    frames = (text("I am here"), client_frame(PING, payload), client_frame(PONG, other))
    assert peer.send(*frames) == [message(data="I am here"), ping(payload=payload), pong(payload=other)]
    clock.advance(2)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_nearly_the_payload_is_no_answer(new_open, clock):
    """A pong with a part of the payload, with more, with none, or with that of an earlier ping is no answer."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    first = next_ping(peer, clock, after=8)
    peer.send(client_frame(PONG, first))
    second = next_ping(peer, clock, after=8)
    near = (first, second[:-1], second + b"!", b"", bytes(byte ^ 1 for byte in second))
    for other in near:
        if other != second and len(other) <= 125:
            assert peer.send(client_frame(PONG, other)) == [pong(payload=other)]
    clock.advance(3)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_one_ping_waits_at_a_time(new_open, clock):
    """While a ping waits for its answer no other is due, also where ping_timeout is longer than ping_interval."""
    peer = new_open(ping_interval=3, ping_timeout=8)
    next_ping(peer, clock, after=3)
    for left in (5, 2):
        clock.advance(3)
        assert peer.wake() == []
        assert peer.connection.next_timer() == left
    assert peer.heard() == [], "the frames that were sent while the ping waited for its answer"
    clock.advance(2)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_pings_of_its_own_give_no_time(new_open, clock):
    """Neither a ping that is made with `ping` nor the answer to an earlier one changes when an answer is due."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    peer.connection.ping(b"made before")
    next_ping(peer, clock, after=8)
    clock.advance(1)
    peer.connection.ping(b"made after")
    assert peer.send(client_frame(PONG, b"made before")) == [pong(payload=b"made before")]
    assert peer.connection.next_timer() == 2
    clock.advance(2)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_an_answer_counts_once(new_open, clock):
    """When a ping was answered, the same pong once more changes nothing: it doesn't put the next ping off."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    payload = next_ping(peer, clock, after=8)
    peer.send(client_frame(PONG, payload))
    clock.advance(5)
    assert peer.send(client_frame(PONG, payload)) == [pong(payload=payload)]
    assert peer.connection.next_timer() == 3


@check("deadlines")
def test_nothing_puts_a_ping_off(new_open, clock):
    """A ping is due at its interval, whatever is heard and sent in the meantime."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    clock.advance(4)
    peer.send(
        text("hello"), client_frame(PING, b"client"), client_frame(PONG, b"unasked"), client_frame(PONG, b"unasked")
    )
    peer.connection.send(b"hello")
    peer.connection.ping(b"server")
    peer.send(client_frame(PONG, b"server"))
    assert peer.connection.next_timer() == 4
    assert [frame.opcode for frame in peer.heard()] == [PONG, BINARY, PING], "the opcodes of what was sent"
    next_ping(peer, clock, after=4)


@check("deadlines")
def test_only_the_timer_does_it(new_open, clock):
    """What is overdue is done by `handle_timer` alone, and a late answer is one if it comes before that."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    clock.advance(20)
    assert peer.send(binary(b"hello")) == [message(data=b"hello")]
    assert peer.connection.next_timer() <= 0
    assert peer.heard() == [], "the frames that were sent without handle_timer"
    payload = next_ping(peer, clock, after=0)
    assert peer.connection.next_timer() == 3
    clock.advance(10)
    assert peer.send(binary(b"still here")) == [message(data=b"still here")]
    assert peer.send(client_frame(PONG, payload)) == [pong(payload=payload)]
    assert peer.wake() == []
    assert peer.connection.next_timer() == 8


@check("deadlines")
def test_a_second_close_changes_no_deadline(new_open, clock):
    """`close` does nothing when a close frame has been sent already, so that the client has no more time."""
    peer = new_open(close_timeout=5)
    peer.connection.close(1001)
    clock.advance(2)
    peer.connection.close(1000)
    assert peer.connection.next_timer() == 3
    clock.advance(3)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_a_close_is_answered_in_time(new_open, clock):
    """A client that has not answered `close` after close_timeout seconds is gone; pings are forgotten."""
    peer = new_open(ping_interval=8, ping_timeout=3, close_timeout=5)
    payload = next_ping(peer, clock, after=8)
    peer.connection.close(1001)
    assert peer.connection.next_timer() == 5
    clock.advance(1)
    assert peer.send(client_frame(PONG, payload)) == [pong(payload=payload)]
    assert peer.connection.next_timer() == 4
    clock.advance(3.5)
    assert peer.wake() == []
    assert [frame.opcode for frame in peer.heard()] == [CLOSE], "the opcodes of what was sent since the ping"
    clock.advance(0.5)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("deadlines")
def test_an_answered_close_is_the_end(new_open, clock):
    """When the client has answered `close` there is nothing left to wait for."""
    peer = new_open(ping_interval=8, close_timeout=5)
    peer.connection.close(1001)
    clock.advance(4)
    assert peer.send(close(1001)) == [closed(code=1001, reason="")]
    assert peer.connection.next_timer() is None
    clock.advance(10)
    assert peer.wake() == []


@check("deadlines")
def test_how_long_it_waits_when_nobody_says(new_open, clock):
    """Without options a ping is due after 20 seconds, its answer after 10 more, and the answer to `close` after 5."""
    peer = new_open()
    assert peer.connection.next_timer() == 20
    next_ping(peer, clock, after=20)
    assert peer.connection.next_timer() == 10
    peer.connection.close()
    assert peer.connection.next_timer() == 5


@check("deadlines")
def test_no_clock_runs_before_the_opening(new_peer, clock):
    """Before the opening nothing is due, and the interval begins with it."""
    peer = new_peer(ping_interval=8)
    assert peer.connection.next_timer() is None
    clock.advance(100)
    assert peer.wake() == []
    peer.open()
    assert peer.connection.next_timer() == 8


@check("deadlines")
def test_the_wall_clock_does_not_matter(new_open, clock):
    """When somebody sets the wall clock, no ping is early or late."""
    peer = new_open(ping_interval=8, ping_timeout=3)
    clock.step_wall(3600)
    assert peer.connection.next_timer() == 8
    next_ping(peer, clock, after=8)
    clock.step_wall(-7200)
    clock.advance(3)
    assert peer.wake() == [closed(code=1006, reason="")]


@check("linear", coverage=False)
def test_work_grows_with_the_message(student, peer):
    """A message that comes byte by byte costs no more work a byte than a short one does."""

    def work(size):
        pieces = bytewise(client_frame(BINARY, bytes(at % 251 for at in range(size)))).pieces
        with student.cpu() as used:
            for _ in range(2048 // size):
                peer.feed_apart(pieces)
        return used.seconds * size / 2048

    growth(work, sizes=[128, 512, 2048], at_most=1.5, what="The work for a message that comes byte by byte")


@check("linear", coverage=False)
def test_a_byte_costs_the_same_late_in_a_message(student, new_open):
    """A byte of a message costs no more work the more of that message has come before it."""

    def work(size):
        peer = new_open()
        peer.feed_apart(in_turns(client_frame(TEXT, announced=size + 1000) + LETTERS * (size // 4), [1024]))
        with student.cpu() as used:
            peer.feed_apart(bytewise(LETTERS * 32).pieces)
        return used.seconds

    growth(work, sizes=[2**15, 3 * 2**18], at_most=0.3, what="The work for each byte of a message, late in it,")


@check("linear", coverage=False)
def test_a_fragment_costs_the_same_late_in_a_message(student, new_open):
    """A frame of a message costs no more work the more frames of that message have come before it."""
    fragment = client_frame(CONTINUATION, announced=256, fin=False) + LETTERS * 64
    short = client_frame(CONTINUATION, b"x", fin=False)

    def work(size):
        peer = new_open()
        frames = client_frame(TEXT, fin=False) + fragment * (size // 256)
        peer.feed_apart(in_turns(frames + short[:-1], [1024]))
        with student.cpu() as used:
            # Each piece ends a frame and begins another.
            peer.feed_apart([short[-1:] + short[:-1]] * 64)
        return used.seconds

    growth(work, sizes=[2**14, 3 * 2**18], at_most=0.3, what="The work for each frame of a message, late in it,")


@check("side-by-side")
def test_everyone_gets_everything_in_order(clients, broadcaster, clock):
    """Each client gets each message, in the order of publishing, as a frame like those of `send`."""
    assert broadcaster.publish("ACME 101") == 4
    assert broadcaster.publish(b"\x00\xff") == 4
    assert broadcaster.publish("") == 4
    assert broadcaster.publish("b" * 200) == 4
    clock.advance(0)
    frames = [Frame(TEXT, b"ACME 101"), Frame(BINARY, b"\x00\xff"), Frame(TEXT), Frame(TEXT, b"b" * 200)]
    assert [client.received for client in clients] == [frames] * 4, "what the four clients got"


@check("side-by-side")
def test_publishing_waits_for_nobody(clients, broadcaster, clock):
    """While one client takes nothing, the others have every message at once."""
    with clients[0].stuck():
        for number in range(3):
            assert broadcaster.publish(f"message {number}") == 4
            clock.advance(0)
            got = [len(client.received) for client in clients]
            assert got == [0] + [number + 1] * 3, "how many messages each client has at once"
    assert clock.now == 0, "the second at which all of it was done"


@check("side-by-side")
def test_a_slow_client_has_its_own_pace(clients, broadcaster, clock):
    """A slow client takes one write after the other, without a pause between them, and gets everything."""
    with clients[1].slow(seconds=1.75):
        for number in range(5):
            broadcaster.publish(f"message {number}" if number % 3 else b"message %d" % number)
        clock.advance(ENOUGH)
    sent = [Frame(TEXT if number % 3 else BINARY, b"message %d" % number) for number in range(5)]
    assert clients[1].received == sent, f"what the slow client has after {ENOUGH} s"
    taken_at = clients[1].taken_at
    assert taken_at == [1.75 * (at + 1) for at in range(len(taken_at))], "the seconds at which it took its writes"
    assert clients[2].taken_at[-1:] == [0], "the second at which another client had everything"


@check("side-by-side")
def test_however_slow_it_is(clients, broadcaster, clock):
    """A client whose every write takes three hours has each message in the end, and nobody hangs up on it."""
    with clients[1].slow(seconds=10_800):
        assert broadcaster.publish.each(["1", b"2"]) == [4, 4]
        clock.advance(10 * 10_800)
    assert clients[1].received == [Frame(TEXT, b"1"), Frame(BINARY, b"2")], "what the slow client has after 30 hours"
    assert clients[1].aborted is False, "whether it was aborted"
    assert broadcaster.publish("3") == 4


@check("side-by-side")
def test_published_as_a_write_ends(clients, broadcaster, clock):
    """What is published at the moment at which a client takes what came before is written to it at once."""
    for number in range(10):
        broadcaster.publish("one")
        broadcaster.publish.each(["two"])
        clock.advance(0)
        got = [len(client.received) for client in clients]
        assert got == [2 * number + 2] * 4, f"how many of {2 * number + 2} messages each client has at once"


@check("side-by-side")
def test_two_broadcasters_have_nothing_in_common(student, clients, broadcaster, clock, late):
    """A client gets what is published by the Broadcaster that it was added to, and by no other."""
    other = named("other", student.Broadcaster(1000))
    other.add(late)
    assert broadcaster.publish("one") == 4
    assert other.publish("two") == 1
    clock.advance(0)
    got = [client.received for client in (*clients, late)]
    assert got == [[Frame(TEXT, b"one")]] * 4 + [[Frame(TEXT, b"two")]], "what the four clients got, and the other's"


@check("side-by-side")
def test_who_comes_later_gets_what_comes_later(clients, broadcaster, clock, late):
    """A client gets what is published after it was added and before it is removed, and each message once."""
    broadcaster.publish("one")
    broadcaster.add(late)
    broadcaster.add(late)
    assert broadcaster.publish("two") == 5
    clock.advance(0)
    broadcaster.remove(late)
    broadcaster.remove(late)
    assert broadcaster.publish("three") == 4
    clock.advance(0)
    assert late.received == [Frame(TEXT, b"two")], "what the client got that was there for the second message"
    assert clients[0].received == [Frame(TEXT, each) for each in (b"one", b"two", b"three")], "what another got"


@check("side-by-side")
def test_who_is_there_is_not_added_again(clients, broadcaster, clock):
    """Adding a client that is there changes nothing, also while a write to it is under way and others wait."""
    with clients[0].slow(seconds=2):
        for word in ("one", "two"):
            broadcaster.publish(word)
        clock.advance(1)
        broadcaster.add(clients[0])
        assert broadcaster.publish("three") == 4
        clock.advance(ENOUGH)
    assert clients[0].received == [Frame(TEXT, each) for each in (b"one", b"two", b"three")], "what the client got"


@check("side-by-side")
def test_who_is_removed_gets_no_more(clients, broadcaster, clock):
    """After a client was removed no write to it begins, and nobody hangs up on it."""
    with clients[0].slow(seconds=2):
        broadcaster.publish.each(["one", "two", "three"])
        clock.advance(1)
        broadcaster.publish("four")
        broadcaster.remove(clients[0])
        clock.advance(10)
    assert clients[0].writes == 1, "the writes to the client that was removed while the first was under way"
    assert clients[0].aborted is False, "whether it was aborted"
    assert broadcaster.publish("five") == 3


@check("side-by-side")
def test_who_is_removed_at_once_gets_no_more(broadcaster, new_witness):
    """When `remove` has returned no write to the client begins, also when `publish` was called just before it."""
    for number in range(16):
        client = new_witness(f"client {number}")
        broadcaster.add(client)
        # Both at one moment, in an order that is drawn, before a task that `publish` has created could begin.
        broadcaster.publish.start("now")
        client.call = broadcaster.remove.start(client)
        broadcaster.publish.each(["later"])
        assert client.afterwards == [], "what was done to the client after remove had returned"


@check("bounded")
def test_exactly_the_limit_may_wait(clients, broadcaster, clock):
    """1,000 bytes may wait for a client that takes nothing, in ten frames, and with one more it is aborted."""
    with clients[3].stuck():
        for _ in range(10):
            assert broadcaster.publish("x" * 98) == 4
            clock.advance(1)
        assert clients[3].aborted is False, "whether the client is aborted with exactly 1,000 bytes waiting"
        broadcaster.add(clients[3])
        assert broadcaster.publish("x" * 98) == 3
        assert clients[3].aborted is True, "whether it is aborted when publish has returned"
    with clients[2].stuck():
        for _ in range(9):
            assert broadcaster.publish("x" * 98) == 3
            clock.advance(1)
        assert broadcaster.publish("x" * 99) == 2
        assert clients[2].aborted is True, "whether the next one is aborted with 1,001 bytes waiting"


@check("bounded")
def test_only_the_slow_one_is_dropped(clients, broadcaster, clock):
    """Who is dropped is never written to again, and the others get every message."""
    with clients[0].slow(seconds=30):
        for number in range(20):
            broadcaster.publish(b"%098d" % number)
            clock.advance(1)
        clock.advance(100)
    assert [client.aborted for client in clients] == [True, False, False, False], "who was aborted"
    assert clients[0].written_late == 0, "the writes to the dropped client that began after its abort"
    sent = [Frame(BINARY, b"%098d" % number) for number in range(20)]
    assert [client.received for client in clients[1:]] == [sent] * 3, "what the other three got"


@check("bounded")
def test_what_was_taken_waits_no_more(clients, broadcaster, clock):
    """A client that keeps up is never dropped, however much is published over time."""
    with clients[2].slow(seconds=1 / 64):
        for _ in range(8):
            assert broadcaster.publish.each(["x" * 296, "y" * 296, "z" * 296]) == [4, 4, 4]
            clock.advance(16)
    assert len(clients[2].received) == 24, "how many messages the slow client got"


@check("bounded")
def test_one_frame_above_the_limit(clients, broadcaster, clock):
    """A single frame of more than the limit is taken for nobody, also where nothing waits."""
    assert broadcaster.publish("x" * 996) == 4
    clock.advance(0)
    assert [client.aborted for client in clients] == [False] * 4, "who was aborted for a frame of 1,000 bytes"
    assert broadcaster.publish("x" * 997) == 0
    assert [client.aborted for client in clients] == [True] * 4, "who was aborted for a frame of 1,001 bytes"


@check("bounded")
def test_who_is_dropped_at_once(broadcaster, clock, new_witness):
    """`abort` is called before `publish` returns, and nothing is written afterwards, also of what waited already."""
    one, two = new_witness("one"), new_witness("two")
    broadcaster.add(one)
    one.call = broadcaster.publish.start("x" * 997)
    assert one.call.result() == 0
    assert one.afterwards == [], "what was done to the first client after publish had returned"
    broadcaster.add(two)
    assert broadcaster.publish.each(["taken", "x" * 997]) == [1, 0]
    clock.advance(1)
    assert (one.aborted, two.aborted) == (True, True), "whether the two clients were aborted"
    assert (one.written_late, two.written_late) == (0, 0), "the writes to them that began after their abort"


@check("bounded")
def test_many_small_messages_may_wait(student, late):
    """However many messages wait for a client, they count by their bytes alone."""
    broadcaster = named("broadcaster", student.Broadcaster(3600))
    broadcaster.add(late)
    with late.stuck():
        assert broadcaster.publish.each(["x"] * 1200) == [1] * 1200
        assert late.aborted is False, "whether the client is aborted with exactly 3,600 bytes waiting"
        assert broadcaster.publish("x") == 0


@check("bounded")
def test_a_big_message_counts_by_its_bytes(clients, broadcaster, clock):
    """The limit is one of bytes on the wire, neither of characters nor of messages."""
    with clients[1].stuck():
        assert broadcaster.publish("ü" * 400) == 4
        clock.advance(0)
        assert broadcaster.publish("ü" * 200) == 3
    assert [client.aborted for client in clients] == [False, True, False, False], "who was aborted"


def next_ping(peer, clock, after):
    """Wait until a ping is due and have it sent: its payload."""
    peer.heard()
    clock.advance(after)
    assert peer.wake() == []
    frames = peer.heard()
    assert [frame.opcode for frame in frames] == [PING], "the opcodes of what was sent when the ping was due"
    return frames[0].payload
