"""What the server says."""

from cases import (
    GOOD_CODES,
    LENGTHS,
    WORDS,
    closed,
    cut_sizes,
    in_turns,
    message,
    opened,
    ping,
    pong,
    rejected,
    stream_of,
    streams,
)

from kata.grading import check, examples, raises
from kata.grading.websocket import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    binary,
    client_frame,
    close,
    closing,
    fragments,
    request,
    response,
    text,
)


@check("handshake")
def test_the_accept_key_proves_that_it_understood(fresh):
    """A right opening request is answered 101 with the accept key of its own key."""
    assert fresh.send(request("/prices?of=ACME")) == [opened(path="/prices?of=ACME")]
    answer = response(fresh.heard_bytes())
    assert answer.status == 101, "the status of the answer"
    assert answer.headers.get("upgrade", "").lower() == "websocket", "the answer's header Upgrade"
    assert answer.headers.get("connection", "").lower() == "upgrade", "the answer's header Connection"
    assert answer.headers.get("sec-websocket-accept") == ACCEPT, "the answer's header Sec-WebSocket-Accept"
    assert answer.rest == b"", "what comes after the answer's empty line"


@check("handshake")
def test_another_key_has_another_answer(fresh):
    """The accept key depends on the key of the request."""
    fresh.send(request(sec_websocket_key="x3JJHMbDL1EzLkh9GBhXDw=="))
    accept = response(fresh.heard_bytes()).headers.get("sec-websocket-accept")
    assert accept == "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", "the answer's header Sec-WebSocket-Accept"


@check("handshake")
def test_headers_are_read_as_http_has_them(new_peer):
    """Names have no case, values are lists with blanks around them, and other headers are ignored."""
    for changed in (
        {"upgrade": "WebSocket", "connection": "keep-alive, upgrade"},
        {"upgrade": "h2c ,  websocket", "connection": "  UPGRADE  ", "host": "Prices.Example:8080"},
        {"cookie": "name=Zoë; theme=dark", "origin": "https://shop.example", "user_agent": "x" * 2000},
    ):
        assert new_peer().send(request(**changed)) == [opened(path="/prices")]
    lower = request().replace(b"Connection: Upgrade", b"connection: keep-alive\r\nCONNECTION:Upgrade")
    assert new_peer().send(lower.replace(b"Sec-WebSocket", b"sec-websocket")) == [opened(path="/prices")]


@check("handshake")
def test_lists_of_values_and_other_headers(new_peer):
    """Values stand in one header or in several, in any order, with or without blanks; what else comes is ignored."""
    for line, others in (
        ("Connection: Upgrade", "Connection: Upgrade\r\nConnection: keep-alive"),
        ("Connection: Upgrade", "Connection: keep-alive,Upgrade,close"),
        ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket  "),
        ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c"),
        ("Host: ", "Content-Length: 0\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\nHost: "),
        ("Host: ", "X-Name: Zoë\u0085 \u2028 here\r\nHost: "),
    ):
        changed = request().replace(line.encode(), others.encode(), 1)
        assert new_peer().send(changed, what=f"a request with {others!r}") == [opened(path="/prices")]
    latin = request().replace(b"Host: ", b"X-Name: Zo\xeb\r\nHost: ")
    assert new_peer().send(latin, what="a request with a header in Latin-1") == [opened(path="/prices")]


@check("handshake")
def test_the_path_is_as_it_was_asked_for(new_peer):
    """The path of the event is the request's, with its query, and not a letter is changed."""
    for path in ("/a%20b//c?x=1&y=%C3%BC", "/", "/prices?", "/../up/./here"):
        assert new_peer().send(request(path)) == [opened(path=path)]


@check("handshake")
def test_frames_may_follow_the_head(new_peer):
    """What comes behind the empty line in the same read is frames, and no part of the head, however long it is."""
    events = new_peer().send(request(), binary(b"x" * 9000), what="a request and a frame of 9,000 bytes")
    assert events == [opened(path="/prices"), message(data=b"x" * 9000)]


@check("handshake")
def test_offers_are_not_taken_up(fresh):
    """No extension and no subprotocol is chosen, whatever the client offers."""
    offers = {"sec_websocket_extensions": "permessage-deflate", "sec_websocket_protocol": "chat, superchat"}
    assert fresh.send(request(**offers)) == [opened(path="/prices")]
    answer = response(fresh.heard_bytes())
    chosen = {name for name in answer.headers if name in ("sec-websocket-extensions", "sec-websocket-protocol")}
    assert chosen == set(), "the headers of the answer that choose something"


@check("handshake")
def test_a_wrong_request_is_refused(new_peer):
    """What isn't a right opening request is answered 400, and the connection is over."""
    for why, wrong in {
        "a POST": request(start="POST /prices HTTP/1.1"),
        "HTTP/1.0": request(start="GET /prices HTTP/1.0"),
        "no Host": request(host=None),
        "no Upgrade": request(upgrade=None),
        "another Upgrade": request(upgrade="h2c"),
        "an Upgrade to websockets": request(upgrade="websockets"),
        "no Connection": request(connection=None),
        "a Connection that is only kept alive": request(connection="keep-alive"),
        "no key": request(sec_websocket_key=None),
        "a get": request(start="get /prices HTTP/1.1"),
        "a Connection that upgrades": request(connection="Upgrades"),
        "another version, and no key": request(sec_websocket_version="8", sec_websocket_key=None),
        "another version, and no Host": request(sec_websocket_version="8", host=None),
        "a key of 18 bytes": request(sec_websocket_key="MTIzNDU2Nzg5MDEyMzQ1Njc4"),
        "a key of 15 bytes": request(sec_websocket_key="MTIzNDU2Nzg5MDEyMzQ1"),
        "a key that isn't base64": request(sec_websocket_key="not base64 at all"),
        "a key with a character that base64 hasn't": request(sec_websocket_key="dGhlIHNhbXBs*ZSBub25jZQ=="),
        "a key in the alphabet for URLs": request(sec_websocket_key="dGhlIHNh-XBsZSBu_25jZQ=="),
        "a key without its padding": request(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ"),
        "a line that ends with LF alone": request().replace(b"\r\nHost", b"\nHost"),
    }.items():
        refused(new_peer(), wrong, 400, why)


@check("handshake")
def test_another_version_is_told_the_right_one(new_peer):
    """If only the version is another one, the answer is 426 and names version 13."""
    for version in ("8", "14", "113", "130", "abc", None):
        answer = refused(new_peer(), request(sec_websocket_version=version), 426, f"the version {version}")
        assert answer.headers.get("sec-websocket-version") == "13", "the answer's header Sec-WebSocket-Version"


@check("handshake")
def test_a_head_has_an_end(new_peer):
    """A head of 8,192 bytes is read, and a longer one is answered 431 without waiting for its end."""
    padding = 8192 - len(request(cookie=""))
    assert new_peer().send(request(cookie="c" * padding), what="8,192 bytes") == [opened(path="/prices")]
    refused(new_peer(), request(cookie="c" * (padding + 1)), 431, "8,193 bytes with an end")
    endless = new_peer()
    # From 8,189 bytes on it is plain that the four bytes of its end come too late.
    assert endless.feed([b"GET /" + b"x" * 4000, b"x" * 4183]) == [], "the events of 8,188 bytes without an end"
    refused(endless, b"x" * 5, 431, "8,193 bytes without an end")


@check("handshake")
def test_a_real_client_comes_in(converse):
    """The client of the `websockets` package, which offers compression, opens a connection without it."""

    async def client(websocket):
        return websocket.response.status_code, [str(extension) for extension in websocket.protocol.extensions]

    answer, events = converse(client)
    assert answer == (101, []), "the status that the client got, and the extensions that it uses"
    assert events[:1] == [opened(path="/prices")], "the server's first event"


@check("messages")
def test_a_text_in_each_form_of_its_length(new_open):
    """A text message of any length is one event, a str (Autobahn 1.1)."""
    peer = new_open()
    for length in LENGTHS:
        sent = ("Grüezi " * (length // 8 + 1)).encode()[:length].decode("utf-8", "ignore")
        assert peer.send(text(sent), what=f"a text of {length} bytes") == [message(data=sent)]


@check("messages")
def test_binary_data_in_each_form_of_its_length(peer):
    """A binary message of any length is one event, with its bytes as they are (Autobahn 1.2)."""
    for length in LENGTHS:
        sent = bytes(at * 7 % 256 for at in range(length))
        assert peer.send(binary(sent), what=f"{length} bytes of binary data") == [message(data=sent)]


@check("messages")
def test_sends_one_short_unmasked_frame(peer):
    """`send` makes one frame, unmasked, with the shortest form of its length."""
    for length, head in ((5, "05"), (125, "7d"), (126, "7e007e"), (65_535, "7effff"), (65_536, "7f0000000000010000")):
        payload = bytes(at * 5 % 127 for at in range(length))
        for first, sent in ((b"\x82", payload), (b"\x81", payload.decode())):
            peer.connection.send(sent)
            assert peer.heard_bytes() == first + bytes.fromhex(head) + payload, f"the bytes of a message of {length}"


@check("messages")
def test_text_is_sent_as_utf8(peer):
    """A str goes out as a text frame in UTF-8, bytes as a binary one, in the order of sending."""
    for sent in (WORDS, b"\x00\xff", "", b""):
        peer.connection.send(sent)
    assert peer.heard() == [
        Frame(TEXT, WORDS.encode()),
        Frame(BINARY, b"\x00\xff"),
        Frame(TEXT, b""),
        Frame(BINARY, b""),
    ], "the frames that were sent"
    assert peer.heard_bytes() == b"", "what is to be sent when all of it was taken"


@check("messages")
def test_a_real_client_is_echoed(converse):
    """The client of the `websockets` package gets back whatever it sends."""
    sent = [WORDS, b"\x00\xff" * 60, "a" * 126, b"b" * 70_000, "", b""]

    async def client(websocket):
        back = []
        for each in sent:
            await websocket.send(each)
            back.append(await websocket.recv())
        return back

    assert converse(client)[0] == sent, "what the client got back"


@check("fragments")
def test_frames_make_one_message(peer):
    """Frames of one message make one event, at its end (Autobahn 5.3 to 5.8)."""
    first, second, third = fragments(BINARY, [b"one ", b"", b"two"])
    assert peer.send(first) == []
    assert peer.send(second) == []
    assert peer.send(third) == [message(data=b"one two")]
    assert peer.send(*fragments(TEXT, [b"", b"", b""])) == [message(data="")]
    assert peer.send(text("alone")) == [message(data="alone")]


@check("fragments")
def test_control_frames_come_between(peer):
    """A ping between two fragments is answered at once, and leaves the message as it is (Autobahn 5.19)."""
    first, second = fragments(TEXT, [b"one ", b"two"])
    assert peer.send(first, client_frame(PING, b"now")) == [ping(payload=b"now")]
    assert peer.heard() == [Frame(PONG, b"now")], "the frames that were sent between the fragments"
    assert peer.send(client_frame(PONG, b"late"), second) == [pong(payload=b"late"), message(data="one two")]


@check("fragments")
def test_a_character_is_cut_in_two(peer):
    """A character may begin in one fragment and end in another (Autobahn 6.2)."""
    encoded = WORDS.encode()
    for at in range(1, len(encoded)):
        assert peer.send(*fragments(TEXT, [encoded[:at], encoded[at:]])) == [message(data=WORDS)]
    assert peer.send(*fragments(TEXT, [bytes((byte,)) for byte in encoded])) == [message(data=WORDS)]


@check("fragments")
def test_two_connections_have_nothing_in_common(new_open):
    """What one connection has heard of a message is no part of another's."""
    one, two = new_open(), new_open()
    assert one.send(client_frame(TEXT, b"one ", fin=False)) == []
    assert two.send(*fragments(TEXT, [b"an", b"other"])) == [message(data="another")]
    assert one.send(client_frame(CONTINUATION, b"whole")) == [message(data="one whole")]


@check("fragments")
def test_binary_fragments_are_no_text(peer):
    """A binary message in fragments is bytes, whether or not they are UTF-8."""
    assert peer.send(*fragments(BINARY, [b"\xff", b"\xfe"])) == [message(data=b"\xff\xfe")]
    assert peer.send(*fragments(BINARY, [b"plain", b" words"])) == [message(data=b"plain words")]


@check("fragments")
@examples(count=8, drawn=streams, sizes=cut_sizes)
def test_any_stream_is_what_its_frames_say(begin, drawn, sizes):
    """Whatever messages come, cut into whatever frames, with control frames between: each is one event, in order."""
    data, events = stream_of(drawn)
    peer = begin()
    assert peer.feed(in_turns(data, sizes)) == events, f"the events of {len(drawn)} messages"


@check("fragments")
def test_a_real_client_sends_fragments(converse):
    """A message that the `websockets` package sends in fragments comes back as one."""

    async def client(websocket):
        await websocket.send(["Zür", "ich ", "→ 東", "京"])
        return await websocket.recv()

    assert converse(client)[0] == "Zürich → 東京", "what the client got back"


@check("pings")
def test_each_ping_has_its_pong(peer):
    """Each ping is answered by a pong with the same payload, in their order (Autobahn 2.1 to 2.4, 2.10)."""
    payloads = [b"", b"one", bytes(range(125)), b"\xff\xfe", b"one"]
    events = peer.send(*(client_frame(PING, payload) for payload in payloads), what="five pings")
    assert events == [ping(payload=payload) for payload in payloads], "the events of five pings"
    assert peer.heard() == [Frame(PONG, payload) for payload in payloads], "the frames that were sent"


@check("pings")
def test_a_pong_is_an_event_and_no_more(peer):
    """A pong is an event, asked for or not, and is not answered (Autobahn 2.7, 2.8)."""
    assert peer.send(client_frame(PONG, b"unasked"), client_frame(PONG)) == [
        pong(payload=b"unasked"),
        pong(payload=b""),
    ]
    assert peer.heard() == [], "the frames that were sent"


@check("pings")
def test_pings_of_its_own(peer):
    """`ping` sends a ping with its payload, and none of more than 125 bytes."""
    peer.connection.ping(b"are you there?")
    peer.connection.ping()
    peer.connection.ping(b"p" * 125)
    with raises("ValueError"):
        peer.connection.ping(b"p" * 126)
    frames = [Frame(PING, b"are you there?"), Frame(PING), Frame(PING, b"p" * 125)]
    assert peer.heard() == frames, "the frames that were sent"


@check("pings")
def test_a_real_client_is_answered(converse):
    """A ping of the `websockets` package is answered, and so is one of the server's by that client."""

    async def client(websocket):
        await (await websocket.ping(b"client"))
        await websocket.send("your turn")
        await websocket.recv()
        await (await websocket.ping(b"again"))

    _, events = converse(client, message=ping_and_echo)
    assert [event for event in events if event in (ping(payload=b"client"), pong(payload=b"server"))] == [
        ping(payload=b"client"),
        pong(payload=b"server"),
    ], "the events of the client's ping, and of its pong"


@check("closing")
def test_a_close_is_answered_once(new_open):
    """A client's close is answered by one close with its code, whichever may be sent (Autobahn 7.7)."""
    for code in GOOD_CODES:
        peer = new_open()
        assert peer.send(close(code, "müde".encode())) == [closed(code=code, reason="müde")]
        answer = [(frame.opcode, frame.payload[:2]) for frame in peer.heard()]
        assert answer == [(CLOSE, closing(code))], f"opcode and first two bytes of the answer to a close with {code}"


@check("closing")
def test_closes_of_any_length(new_open):
    """A close without a code is answered by one without, and is 1005; a reason may have 123 bytes (Autobahn 7.3)."""
    peer = new_open()
    assert peer.send(close()) == [closed(code=1005, reason="")]
    assert peer.heard() == [Frame(CLOSE, b"")], "the frames that were sent"
    for reason in (b"", b"r" * 123):
        assert new_open().send(close(4321, reason)) == [closed(code=4321, reason=reason.decode())]


@check("closing")
def test_silence_after_a_close(new_open):
    """After a client's close nothing is reported, nothing is sent, and `send` and `ping` raise (Autobahn 7.1)."""
    peer = new_open(ping_interval=8)
    assert peer.send(close(1001), text("late"), client_frame(PING), close(1000)) == [closed(code=1001, reason="")]
    peer.heard()
    assert peer.send(text("later"), client_frame(PING, b"there?")) == []
    for speak in (peer.connection.send, peer.connection.ping):
        with raises("RuntimeError"):
            speak(b"hello")
    peer.connection.close(1000)
    assert peer.connection.next_timer() is None
    assert peer.heard_bytes() == b"", "what is sent after the connection is over"


@check("closing")
def test_closing_first(peer):
    """`close` sends one close frame; the client's answer is the event, and is not answered again."""
    peer.connection.send(b"goodbye")
    peer.connection.close(4000, WORDS)
    assert peer.heard() == [Frame(BINARY, b"goodbye"), Frame(CLOSE, closing(4000, WORDS.encode()))], "what was sent"
    peer.connection.close(1001)
    assert peer.send(close(1000, b"bye")) == [closed(code=1000, reason="bye")]
    assert peer.heard() == [], "the frames that were sent after the first close"


@check("closing")
def test_a_close_within_a_message(peer):
    """A close may come between the frames of a message, and is answered as ever; the message is lost."""
    assert peer.send(client_frame(TEXT, b"half", fin=False), close(1001)) == [closed(code=1001, reason="")]
    assert [(frame.opcode, frame.payload[:2]) for frame in peer.heard()] == [(CLOSE, closing(1001))], "what was sent"


@check("closing")
def test_what_had_begun_before_close(new_open):
    """What had come in part when `close` was called is reported like all else, and an answer without a code is 1005."""
    peer, (first, second) = new_open(), fragments(BINARY, [b"one ", b"two"])
    assert peer.send(first, second[:3]) == []
    peer.connection.close(4000)
    assert peer.send(second[3:], client_frame(PING, b"?")) == [message(data=b"one two"), ping(payload=b"?")]
    assert peer.send(binary(b"whole"), close()) == [message(data=b"whole"), closed(code=1005, reason="")]


@check("closing")
def test_every_code_can_be_sent(new_open):
    """`close` takes every code that may be sent."""
    for code in GOOD_CODES:
        peer = new_open()
        peer.connection.close(code)
        assert peer.heard() == [Frame(CLOSE, closing(code))], f"the frames that were sent by a close with {code}"


@check("closing")
def test_silence_after_any_end(new_peer, new_open, clock):
    """After a refusal, a close or a violation nothing is reported, due or sent; `send` and `ping` raise."""
    refused_one = new_peer()
    refused_one.send(request(host=None))
    is_silent(refused_one, "refused", clock)
    for how, frame in (
        ("closed", close(1000)),
        ("failed", client_frame(3)),
        ("closed by both", close(1001)),
        ("failed by both", client_frame(3)),
    ):
        peer = new_open()
        if how.endswith("by both"):
            peer.connection.close(1001)
        peer.send(frame)
        is_silent(peer, how, clock)


@check("closing")
def test_silence_after_a_client_is_lost(new_open, clock):
    """After an end without a close nothing is reported, due or sent; `send` and `ping` raise, `close` doesn't."""
    for how in ("hung up", "hung up after close", "no pong", "no close"):
        peer = new_open(ping_interval=8, ping_timeout=3, close_timeout=5)
        clock.advance(8)
        peer.connection.close() if how.endswith("close") else peer.wake()
        clock.advance(5)
        assert (peer.hang_up() if how.startswith("hung up") else peer.wake()) == [closed(code=1006, reason="")]
        is_silent(peer, how, clock)


def is_silent(peer, how, clock):
    """The connection is over: nothing comes of anything."""
    after = f"after the end of a connection ({how})"
    peer.heard_bytes()
    assert peer.feed([text("late"), client_frame(PING), close(1000)]) == [], f"the events {after}"
    for speak in (peer.connection.send, peer.connection.ping):
        with raises("RuntimeError"):
            speak(b"hello")
    peer.connection.close(1001)
    assert peer.hang_up() == []
    clock.advance(100)
    assert peer.connection.next_timer() is None
    assert peer.wake() == []
    assert peer.heard_bytes() == b"", f"what is sent {after}"


@check("closing")
def test_what_was_on_its_way_is_reported(peer):
    """After `close`, messages are still reported, `send` and `ping` raise, and only one close is ever sent."""
    peer.connection.close()
    for speak in (peer.connection.send, peer.connection.ping):
        with raises("RuntimeError"):
            speak(b"hello")
    assert peer.send(*fragments(TEXT, [b"on its", b" way"])) == [message(data="on its way")]
    assert peer.send(close(1000)) == [closed(code=1000, reason="")]
    assert peer.heard() == [Frame(CLOSE, closing(1000))], "the frames that were sent"


@check("closing")
def test_nothing_is_said_before_the_opening(fresh):
    """Before the opening `send`, `ping` and `close` raise RuntimeError, and send nothing."""
    speeches = ((fresh.connection.send, "hello"), (fresh.connection.ping,), (fresh.connection.close,))
    for speak, *what in speeches:
        with raises("RuntimeError"):
            speak(*what)
    fresh.send(request()[:-1])
    for speak, *what in speeches:
        with raises("RuntimeError"):
            speak(*what)
    assert fresh.heard_bytes() == b"", "what was sent before the request was whole"


@check("closing")
def test_a_real_client_closes(converse):
    """The client of the `websockets` package closes, and hears the same code from the server."""

    async def client(websocket):
        await websocket.close(4321, "zu spät")
        return websocket.close_code

    code, events = converse(client)
    assert code == 4321, "the code that the client got"
    assert events[-1:] == [closed(code=4321, reason="zu spät")], "the server's last event"


@check("closing")
def test_a_real_client_is_closed(converse):
    """The client of the `websockets` package hears the server's code and reason, and answers."""

    async def client(websocket):
        await websocket.send("please go")
        await websocket.wait_closed()
        return websocket.close_code, websocket.close_reason

    answer, events = converse(client, message=lambda connection: connection.close(3000, "Feierabend"))
    assert answer == (3000, "Feierabend"), "the code and the reason that the client got"
    assert events[-1:] == [closed(code=3000, reason="Feierabend")], "the server's last event"


def refused(peer, data, status, why):
    """The request is answered with that status, and the connection is over; the answer."""
    events = peer.send(data, what=f"a request with {why}")
    assert events == [rejected(status=status)], f"the events of a request with {why}"
    answer = response(peer.heard_bytes())
    assert answer.status == status, f"the status of the answer to a request with {why}"
    assert answer.headers.get("connection", "").lower() == "close", "the answer's header Connection"
    assert peer.send(text("hello"), request(), what="more") == []
    assert peer.hang_up() == []
    assert peer.heard_bytes() == b"", "what is sent after the refusal"
    return answer


def ping_and_echo(connection):
    """What the server does with a message."""
    connection.ping(b"server")
    connection.send("done")
