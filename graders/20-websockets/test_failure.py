"""What the server does with what is cut, forbidden, wrong, too big, or gone."""

from itertools import accumulate

from cases import (
    CLOSES,
    CONTROL,
    NEVER_SENT,
    NOT_UTF8,
    OPCODES,
    REASON_NOT_UTF8,
    RESERVED_BITS,
    SEQUENCES,
    UNMASKED,
    WORDS,
    closed,
    message,
    opened,
    ping,
)

from kata.grading import check, raises
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
    close_codes,
    closing,
    fragments,
    request,
    response,
    splits,
    text,
    whole,
)

FRAMES = [
    text(WORDS),
    client_frame(PING, b"now"),
    client_frame(TEXT, b"one ", fin=False) + client_frame(CONTINUATION, b"two"),
    binary(bytes(range(130))),
    text(""),
]
STREAM = b"".join(FRAMES)
EVENTS = [
    message(data=WORDS),
    ping(payload=b"now"),
    message(data="one two"),
    message(data=bytes(range(130))),
    message(data=""),
]


@check("any-split")
def test_frames_cut_in_two_anywhere(peer):
    """Six frames that arrive in two pieces are the same, wherever they are cut."""
    cut = splits(STREAM)
    pieces = [piece for each in cut for piece in each.pieces]
    events = peer.feed_apart(pieces, f"{STREAM.hex(' ')} again and again, each time cut elsewhere")
    for number, each in enumerate(cut):
        assert events[2 * number] + events[2 * number + 1] == EVENTS, f"the events of six frames {each.name}"
    assert peer.heard() == [Frame(PONG, b"now")] * len(cut), "the frames that were sent"


@check("any-split")
def test_frames_byte_by_byte(peer):
    """Six frames that arrive byte by byte are the same, and each event comes with its last byte."""
    events = peer.feed_apart(bytewise(STREAM).pieces, f"{STREAM.hex(' ')}, byte by byte")
    came_with = [at for at, some in enumerate(events, 1) for _ in some]
    assert [event for some in events for event in some] == EVENTS, "the events of six frames, byte by byte"
    assert came_with == list(accumulate(map(len, FRAMES))), "the bytes, counted from 1, with which the events came"
    assert peer.heard() == [Frame(PONG, b"now")], "the frames that were sent"


@check("any-split")
def test_many_frames_at_once(peer):
    """Twelve hundred messages in one piece are as many events."""
    sent = [f"{number}" for number in range(1200)]
    events = peer.send(*map(text, sent), what="twelve hundred messages")
    assert events == [message(data=each) for each in sent], "the events of twelve hundred messages in one piece"


@check("any-split")
def test_the_request_cut_in_two_anywhere(new_peer):
    """The opening request may be cut anywhere, and frames may follow it in the same piece."""
    data = request() + text("early") + client_frame(PING, b"now")
    expected = [opened(path="/prices"), message(data="early"), ping(payload=b"now")]
    for cut in [whole(data), bytewise(data), *splits(data)[::3]]:
        peer = new_peer()
        assert peer.feed(cut.pieces) == expected, f"the events of a request and two frames, {cut.name}"
    answer = response(peer.heard_bytes())
    assert (answer.status, answer.rest) == (101, b"\x8a\x03now"), "the answer's status, and what came after its head"


@check("any-split")
def test_nothing_is_nothing(peer):
    """An empty piece changes nothing."""
    first, second = fragments(TEXT, [b"one ", b"two"])
    assert peer.feed([b"", first[:3], b"", first[3:], b"", second]) == [message(data="one two")], "the events"


@check("protocol-errors")
def test_frames_that_are_not_masked(must_fail):
    """A frame that isn't masked ends the connection with 1002 (RFC 6455, 5.1)."""
    must_fail(1002, UNMASKED)


@check("protocol-errors")
def test_reserved_bits_and_opcodes(must_fail):
    """A reserved bit or opcode ends the connection with 1002 (Autobahn 3 and 4)."""
    must_fail(1002, RESERVED_BITS | OPCODES)


@check("protocol-errors")
def test_control_frames_are_whole_and_short(must_fail):
    """A control frame that is fragmented, or longer than 125 bytes, ends the connection with 1002."""
    must_fail(1002, CONTROL)


@check("protocol-errors")
def test_fragments_out_of_place(must_fail):
    """A continuation of nothing, or a new message within another, ends the connection with 1002 (Autobahn 5)."""
    must_fail(1002, SEQUENCES)


@check("protocol-errors")
def test_closes_that_are_malformed(must_fail):
    """A close with half a code, or with one that may not be sent, is answered with 1002 (Autobahn 7.3 and 7.9)."""
    must_fail(1002, CLOSES)


@check("protocol-errors")
def test_a_violation_is_seen_when_it_is_there(new_open):
    """What is forbidden ends the connection with its last byte, and not only when something comes after it."""
    for what, frames in (UNMASKED | RESERVED_BITS | OPCODES | CONTROL | SEQUENCES | CLOSES).items():
        events = new_open().send(frames, what=what)
        assert close_codes(events) == [1002], f"the codes of the Closed events after {what}, and nothing else"


@check("protocol-errors")
def test_what_came_before_is_still_answered(peer):
    """Everything that came before a violation is reported and answered, also in the same piece."""
    events = peer.send(text("good"), client_frame(PING, b"1"), client_frame(3, b"bad"), client_frame(PING, b"2"))
    assert events[:-1] == [message(data="good"), ping(payload=b"1")], "the events before the violation"
    assert close_codes(events[-1:]) == [1002], "the codes of the Closed events"
    frames = [(frame.opcode, frame.payload[:2]) for frame in peer.heard()]
    assert frames == [(PONG, b"1"), (CLOSE, closing(1002))], "opcode and first two bytes of the frames that were sent"


@check("protocol-errors")
def test_no_second_close_frame(new_open):
    """What breaks a rule after `close` ends the connection with its own code, and without a second close frame."""
    for code, what, frame in (
        (1002, "a reserved bit", client_frame(TEXT, b"x", reserved=1)),
        (1002, "a close with 1005", close(1005)),
        (1002, "a close with half a code", client_frame(CLOSE, b"\x03")),
        (1007, "text that isn't UTF-8", client_frame(TEXT, b"\xff")),
        (1007, "a reason that isn't UTF-8", close(1000, b"\xff")),
        (1009, "a message that is too big", client_frame(BINARY, announced=201)),
    ):
        peer = new_open(max_message=200)
        peer.connection.close(1001)
        events = peer.send(frame, text("later"), what=what)
        assert len(events) == 1, f"how many events there were after {what}"
        assert close_codes(events) == [code], f"the codes of the Closed events after {what}"
        assert peer.heard() == [Frame(CLOSE, closing(1001))], f"the frames that were sent, up to {what}"


@check("protocol-errors")
def test_a_reason_of_its_own_is_short(new_open):
    """The close frame with which a connection is failed has at most 125 bytes, like any other."""
    for what, frame in (RESERVED_BITS | OPCODES | UNMASKED | CONTROL | SEQUENCES | CLOSES).items():
        peer = new_open()
        peer.send(frame, what=what)
        longest = max((len(sent.payload) for sent in peer.heard()), default=0)
        assert longest <= 125, f"the bytes of the longest frame that was sent after {what}"


@check("protocol-errors")
def test_a_length_beyond_all_bounds(new_open):
    """A 64-bit length whose first bit is set ends the connection with 1002 or 1009."""
    for size in (2**63, 2**63 + 5, 2**64 - 1):
        events = new_open().send(client_frame(BINARY, announced=size), what=f"the header of {size} bytes")
        assert len(events) == 1, f"how many events there were after a length of {size}"
        assert close_codes(events)[:1] in ([1002], [1009]), f"the codes of the Closed events after a length of {size}"


@check("bad-text")
def test_text_that_is_not_utf8(must_fail):
    """A text message that isn't UTF-8, or ends within a character, ends the connection with 1007 (Autobahn 6)."""
    must_fail(1007, NOT_UTF8)


@check("bad-text")
def test_a_reason_that_is_not_utf8(must_fail):
    """A close's reason that isn't UTF-8 is answered with 1007 (Autobahn 7.5.1)."""
    must_fail(1007, REASON_NOT_UTF8)


@check("bad-text")
def test_bad_text_is_seen_when_it_is_whole(new_open):
    """Text that isn't UTF-8 ends the connection at the latest when its message is complete, and is no message."""
    for what, frames in (NOT_UTF8 | REASON_NOT_UTF8).items():
        events = new_open().send(frames, what=what)
        assert len(events) == 1, f"how many events there were after {what}"
        assert close_codes(events) == [1007], f"the codes of the Closed events after {what}"


@check("bad-text")
def test_odd_text_is_text(peer):
    """Characters that stand for nothing, for an error or for a byte order are characters like any other."""
    odd = ("\ufffd", "\uffff", "\ufeffwith a mark", "\x00")
    for each in odd:
        assert peer.send(text(each)) == [message(data=each)]
    last = odd[2] + "".join(odd)
    assert peer.send(close(1000, last.encode())) == [closed(code=1000, reason=last)]


@check("too-big")
def test_a_frame_that_is_announced_too_big(must_fail):
    """A frame that announces more than max_message ends the connection with 1009, before its payload has come."""
    big = {
        f"the header of {size} bytes of {what}": client_frame(opcode, announced=size)
        for size in (201, 70_000, 2**62)
        for opcode, what in ((TEXT, "text"), (BINARY, "binary data"))
    }
    must_fail(1009, big, max_message=200)


@check("too-big")
def test_how_much_is_too_big_when_nobody_says(new_open):
    """Without options a message of 1,048,576 bytes is allowed, and one of a byte more is not."""
    assert new_open().send(client_frame(BINARY, announced=1_048_576)) == []
    events = new_open().send(client_frame(BINARY, announced=1_048_577))
    assert close_codes(events) == [1009], "the codes of the Closed events"


@check("too-big")
def test_fragments_that_add_up(must_fail):
    """The frames of a message count together, and the one whose header passes max_message ends the connection."""
    parts = client_frame(BINARY, b"x" * 15, fin=False) + client_frame(CONTINUATION, b"y" * 5, fin=False)
    header = client_frame(CONTINUATION, announced=1)
    must_fail(1009, {"two fragments of 20 bytes and the header of one more": parts + header}, max_message=20)


@check("too-big")
def test_text_adds_up_by_its_bytes(new_open):
    """Text in several frames counts by its bytes, whatever comes between them, and however they are cut."""
    start = client_frame(TEXT, "Zürich".encode(), fin=False) + client_frame(PING, b"now")
    rest = client_frame(CONTINUATION, " → 東京!!".encode())
    for pieces in ([start, rest], bytewise(start + rest).pieces):
        whole = new_open(max_message=20).feed(pieces)
        assert whole == [ping(payload=b"now"), message(data="Zürich → 東京!!")], "the events of exactly 20 bytes"
    for pieces in ([start], bytewise(start).pieces):
        peer = new_open(max_message=20)
        peer.feed(pieces)
        events = peer.send(client_frame(CONTINUATION, announced=14), what="the header of 14 bytes more than 7")
        assert close_codes(events) == [1009], "the codes of the Closed events"


@check("too-big")
def test_exactly_the_limit_is_allowed(new_open):
    """A message of exactly max_message bytes is one, in one frame or in many, and control frames don't count."""
    peer = new_open(max_message=20)
    assert peer.send(binary(b"x" * 20)) == [message(data=b"x" * 20)]
    parts = [part.encode() for part in ("Zürich", " → 東", "京!!")]
    assert peer.send(*fragments(TEXT, parts)) == [message(data="Zürich → 東京!!")]
    assert peer.send(client_frame(PING, b"p" * 100)) == [ping(payload=b"p" * 100)]
    assert peer.send(text("and another")) == [message(data="and another")]
    assert peer.send(close(1000, b"r" * 100)) == [closed(code=1000, reason="r" * 100)]


@check("too-big")
def test_what_came_before_it_is_reported(new_open):
    """What came before a message that is too big is reported and answered as ever, also in the same piece."""
    peer = new_open(max_message=20)
    events = peer.send(text("good"), client_frame(PING, b"1"), client_frame(BINARY, announced=21))
    assert events[:-1] == [message(data="good"), ping(payload=b"1")], "the events before the one that is too big"
    assert close_codes(events[-1:]) == [1009], "the codes of the Closed events"
    frames = [(frame.opcode, frame.payload[:2]) for frame in peer.heard()]
    assert frames == [(PONG, b"1"), (CLOSE, closing(1009))], "opcode and first two bytes of the frames that were sent"


@check("gone")
def test_an_end_without_a_close(new_peer, new_open):
    """The end of the stream without a close is Closed(1006), before the opening, within a frame, or after `close`."""
    for before in (b"", request()[:40]):
        fresh = new_peer()
        fresh.feed([before])
        assert fresh.hang_up() == [closed(code=1006, reason="")]
    for frame in (text("whole"), text("half")[:4], client_frame(TEXT, b"first", fin=False)):
        peer = new_open()
        peer.send(frame)
        assert peer.hang_up() == [closed(code=1006, reason="")]
        assert peer.heard_bytes() == b"", "what was sent to a client that has gone"
    peer = new_open()
    peer.connection.close(1000)
    assert peer.hang_up() == [closed(code=1006, reason="")]


@check("gone")
def test_an_end_is_reported_once(new_open):
    """A connection ends once: after a close, a violation or an end, `receive_eof` reports nothing."""
    for frame, code in ((close(1000), 1000), (client_frame(3), 1002), (b"", 1006)):
        peer = new_open(ping_interval=8)
        events = peer.send(frame) if frame else peer.hang_up()
        assert close_codes(events) == [code], "the codes of the Closed events"
        assert peer.hang_up() == []
        assert peer.feed([text("late")]) == []
        assert peer.connection.next_timer() is None
        with raises("RuntimeError"):
            peer.connection.send("hello?")


@check("gone")
def test_what_was_to_go_out_before(new_open, clock):
    """What was sent before the end is still in `data_to_send` when the client has gone."""
    for how in ("hangs up", "does not answer a ping", "does not answer the close"):
        peer = new_open(ping_interval=8, ping_timeout=3, close_timeout=5)
        if how == "does not answer a ping":
            clock.advance(8)
            peer.wake()
            peer.heard()
        peer.connection.send(b"the last word")
        if how == "does not answer the close":
            peer.connection.close()
        clock.advance(5)
        events = peer.hang_up() if how == "hangs up" else peer.wake()
        assert events == [closed(code=1006, reason="")], f"the events when a client {how}"
        assert peer.heard()[:1] == [Frame(BINARY, b"the last word")], f"the first frame for a client that {how}"


@check("gone")
def test_some_codes_are_never_sent(peer):
    """`close` takes neither 1005, 1006 and 1015, nor any other code that may not be sent, nor a long reason."""
    for code, reason in (
        (0, ""),
        (1005, ""),
        (1006, "gone"),
        (1015, ""),
        (999, ""),
        (1004, ""),
        (2999, ""),
        (5000, ""),
    ):
        with raises("ValueError"):
            peer.connection.close(code, reason)
    with raises("ValueError"):
        peer.connection.close(1000, "ü" * 62)
    assert peer.heard() == [], "the frames that were sent"
    longest = "ü" * 61 + "!"
    peer.connection.close(1000, longest)
    assert peer.heard() == [Frame(CLOSE, closing(1000, longest.encode()))], "the frames that were sent"


@check("gone")
def test_these_codes_may_not_come_either(must_fail):
    """A client that sends 1005, 1006 or 1015 breaks a rule, and is not answered with its code (Autobahn 7.9)."""
    must_fail(1002, NEVER_SENT)


@check("gone")
def test_a_client_that_has_gone_leaves_the_broadcaster(clients, broadcaster, clock):
    """A client whose write fails leaves the Broadcaster, and the others get every message."""
    clients[1].go()
    assert broadcaster.publish("one") == 4
    clock.advance(0)
    for number in range(20):
        assert broadcaster.publish(b"%030d" % number) == 3
        clock.advance(0)
    assert [len(client.received) for client in clients] == [21, 0, 21, 21], "how many messages each client got"
    assert clients[1].writes == 1, "the writes to the client that has gone"
    broadcaster.remove(clients[1])
    assert broadcaster.publish("and on") == 3


@check("gone")
def test_a_client_goes_in_the_middle_of_a_write(clients, broadcaster, clock):
    """A client that goes while much waits for it takes nobody with it."""
    with clients[0].slow(seconds=2):
        for number in range(3):
            broadcaster.publish(f"message {number}")
        clock.advance(1)
        clients[0].go()
        clock.advance(5)
    assert broadcaster.publish("and on") == 3
    clock.advance(0)
    assert [len(client.received) for client in clients] == [0, 4, 4, 4], "how many messages each client got"
