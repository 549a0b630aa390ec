"""The events that are expected, and tables of cases, with the numbers of the Autobahn test suite where it has them."""

from functools import partial
from itertools import pairwise

from hypothesis import strategies as st

from kata.grading.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    bytewise,
    client_frame,
    close,
    closing,
    fragments,
    splits,
    text,
    whole,
)
from kata.wire import Record

opened = partial(Record, "Opened")
rejected = partial(Record, "Rejected")
message = partial(Record, "Message")
ping = partial(Record, "Ping")
pong = partial(Record, "Pong")
closed = partial(Record, "Closed")

LENGTHS = [0, 1, 125, 126, 127, 128, 255, 256, 65_535, 65_536]
"""Of a payload: both sides of every border between the forms (Autobahn 1.1 and 1.2, and of one byte's)."""

WORDS = "Zürich → 東京 🚄"
"""Characters of one, two, three and four bytes."""

# What RFC 6455 forbids: what it is, and the bytes.

RESERVED_BITS = {
    "a message with RSV1 set (Autobahn 3.2)": client_frame(TEXT, b"hello", reserved=4),
    "a message with RSV2 set (Autobahn 3.1)": client_frame(BINARY, b"hello", reserved=2),
    "a ping with RSV3 set (Autobahn 3.5)": client_frame(PING, b"hello", reserved=1),
    "a continuation with RSV1 set": client_frame(TEXT, b"one", fin=False) + client_frame(CONTINUATION, reserved=4),
}
OPCODES = {
    f"a frame with the opcode {opcode} (Autobahn 4)": client_frame(opcode, b"hello") for opcode in (3, 7, 11, 15)
}
UNMASKED = {
    "a message that isn't masked": client_frame(TEXT, b"hello", masked=False),
    "an empty message that isn't masked": client_frame(BINARY, b"", masked=False),
    "a ping that isn't masked": client_frame(PING, b"hello", masked=False),
    "a continuation that isn't masked": client_frame(TEXT, b"one", fin=False)
    + client_frame(CONTINUATION, masked=False),
}
CONTROL = {
    "a ping that is fragmented (Autobahn 5.1)": client_frame(PING, b"hello", fin=False),
    "a pong that is fragmented (Autobahn 5.2)": client_frame(PONG, b"hello", fin=False),
    "a ping of 126 bytes (Autobahn 2.5)": client_frame(PING, b"p" * 126),
    "a pong of 126 bytes": client_frame(PONG, b"p" * 126),
    "a close that is fragmented": client_frame(CLOSE, closing(1000), fin=False),
    "a close of 126 bytes (Autobahn 7.3.6)": close(1000, b"r" * 124),
}
SEQUENCES = {
    "a continuation of nothing (Autobahn 5.9)": client_frame(CONTINUATION, b"hello"),
    "a continuation after a whole message (Autobahn 5.12)": text("hello") + client_frame(CONTINUATION, b"x", fin=False),
    "an empty continuation of nothing": client_frame(CONTINUATION),
    "the beginning of a message in the middle of another": client_frame(TEXT, b"one", fin=False) * 2,
    "a message in the middle of another (Autobahn 5.18)": client_frame(TEXT, b"one", fin=False) + text("two"),
    "a message in the middle of an empty fragment": client_frame(BINARY, b"", fin=False) + text("two"),
}
CLOSES = {
    "a close with half a code (Autobahn 7.3.2)": client_frame(8, b"\x03"),
    **{
        f"a close with the code {code} (Autobahn 7.9)": close(code, b"why")
        for code in (0, 999, 1004, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
}
NEVER_SENT = {f"a close with the code {code} (Autobahn 7.9)": close(code, b"why") for code in (1005, 1006, 1015)}

_OVERLONG, _SURROGATE, _TOO_HIGH = b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"

NOT_UTF8 = {
    "text with a byte that UTF-8 never has (Autobahn 6.6)": client_frame(TEXT, b"good \xff bad"),
    "text with an overlong form (Autobahn 6.3)": client_frame(TEXT, _OVERLONG),
    "text with a surrogate (Autobahn 6.18)": client_frame(TEXT, _SURROGATE),
    "text with a pair of surrogates": client_frame(TEXT, b"\xed\xa0\xbd\xed\xba\x80"),
    "text beyond U+10FFFF (Autobahn 6.19)": client_frame(TEXT, _TOO_HIGH),
    "text of half a character": client_frame(TEXT, b"\xc3"),
    "text that ends within a character (Autobahn 6.6.2)": client_frame(TEXT, WORDS.encode()[:-1]),
    "two fragments that end within a character": b"".join(fragments(TEXT, [b"gr\xc3\xbc", b"n \xe2\x82"])),
}
REASON_NOT_UTF8 = {
    "a close with a reason that isn't UTF-8 (Autobahn 7.5.1)": close(1000, b"good \xff bad"),
    "a close with a reason with a surrogate": close(1000, _SURROGATE),
    "a close with a reason that ends within a character": close(1001, "träge".encode()[:3]),
}

GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
"""Autobahn 7.7."""


# Streams that a property draws.

# An alphabet of its own: of all there is Hypothesis would make tables first, which takes seconds.
_letters = st.sampled_from("aß→東🚄")
_payloads = st.one_of(st.text(_letters, max_size=12), st.binary(max_size=12), st.binary(min_size=120, max_size=130))
_controls = st.lists(st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=6)), max_size=1)
streams = st.lists(st.tuples(_payloads, st.lists(st.integers(0, 12), max_size=3), _controls), min_size=4, max_size=12)
cut_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def stream_of(messages):
    """The bytes of such a stream, and its events: each message is cut, with a control frame after its first frame."""
    frames, events = [], []
    for data, places, controls in messages:
        payload = data.encode() if isinstance(data, str) else data
        borders = [0, *sorted(min(place, len(payload)) for place in places), len(payload)]
        parts = [payload[start:end] for start, end in pairwise(borders)]
        first, *rest = fragments(TEXT if isinstance(data, str) else BINARY, parts)
        between = [client_frame(opcode, body) for opcode, body in controls]
        heard = [ping(payload=body) if opcode == PING else pong(payload=body) for opcode, body in controls]
        frames += [first, *between, *rest]
        events += [*heard, message(data=data)] if rest else [message(data=data), *heard]
    return b"".join(frames), events


def in_turns(data, sizes):
    """The bytes in pieces of these sizes, over and over."""
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def ways_to_cut(cases):
    """Each case whole and byte by byte, and the first of them also in two pieces at every place: name, and cut."""
    for number, (name, data) in enumerate(cases.items()):
        for cut in [whole(data), bytewise(data), *([] if number else splits(data))]:
            yield name, cut
