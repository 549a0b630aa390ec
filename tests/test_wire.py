"""What crosses between processes: everything that may does so unchanged, everything else is one clear error."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import enum
import io
import math
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kata import wire
from kata.wire import (
    DEPTH_MAX,
    ITEMS_MAX,
    Fields,
    Mapping,
    Packer,
    Record,
    Set,
    Unpacker,
    WireError,
    frame,
    read_frame,
    shown,
)

ENCODER = msgspec.msgpack.Encoder()
VALUES = msgspec.msgpack.Decoder(wire.Value)
DELIVERIES = msgspec.msgpack.Decoder(wire.Deliver)
TURNS = msgspec.msgpack.Decoder(wire.Turn)


def no_handle(_value: object) -> None:
    return None


def refuse_handle(handle: wire.Handle) -> object:
    raise WireError(f"no object {handle.id}")


def packed(value: object) -> wire.Value:
    return Packer(no_handle).pack(value)


def crossed(value: object) -> object:
    """The value after a journey: packed, encoded, decoded, unpacked."""
    return Unpacker(refuse_handle).unpack(VALUES.decode(ENCODER.encode(packed(value))))


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Pair:
    left: object
    right: object


@dataclasses.dataclass(frozen=True)
class Coin:
    value: int


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats(allow_nan=False) | TEXT | st.binary()
KEYS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=4
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=12,
)


def exactly(value: object) -> object:
    """A form in which 1, 1.0 and True differ, and so do a list and a tuple."""
    if isinstance(value, list | tuple):
        return type(value).__name__, [exactly(item) for item in value]
    if isinstance(value, dict):
        return "dict", [(exactly(key), exactly(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(repr(exactly(item)) for item in value)
    return type(value).__name__, repr(value)


# ---------------------------------------------------------------- values


@given(PLAIN)
def test_plain_values_cross_unchanged(value):
    assert exactly(crossed(value)) == exactly(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324])
def test_odd_floats_cross(number):
    assert repr(crossed([number])) == repr([number])


@pytest.mark.parametrize("bits", [62, 63, 64, 65, 300, 15_999])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_integers_of_any_usual_size_cross(bits, sign, more):
    assert crossed(sign * 2**bits + more) == sign * 2**bits + more


def test_an_enormous_integer_is_refused():
    with pytest.raises(WireError, match=r"16,001 bits; at most 16,000"):
        packed(2**16_000)


def test_lone_surrogates_become_replacement_characters():
    assert crossed("a\ud800b") == "a?b" or crossed("a\ud800b") == "a\ufffdb"


def test_subclasses_of_plain_types_cross_as_those():
    class Text(str):
        pass

    class Number(int):
        pass

    assert exactly(crossed([Text("a"), Number(3), bytearray(b"x"), memoryview(b"y")])) == exactly(["a", 3, b"x", b"y"])


def test_records_cross_by_name_and_fields():
    pair = crossed(Pair(1, [Point(2, 3), Colour.RED]))
    assert pair == Record("Pair", left=1, right=[Record("Point", x=2, y=3), Record("Colour", name="RED")])
    assert pair.right[0].y == 3
    assert crossed(pair) == pair
    assert repr(pair) == "Pair(left=1, right=[Point(x=2, y=3), Colour(name='RED')])"
    assert pair != Record("Other", left=1, right=[])
    with pytest.raises(AttributeError, match="Pair has no field 'middle'"):
        _ = pair.middle


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):  # noqa: UP042 - its str is not its value, as StrEnum's is
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "plain", "record"),
    [
        (Point(2, 3), (2, 3), Record("Point", x=2, y=3)),
        (Level.HIGH, 3, Record("Level", name="HIGH")),
        (Word.YES, "yes", Record("Word", name="YES")),
    ],
)
def test_what_is_a_plain_value_besides_stays_one(value, plain, record):
    """As `==`, `isinstance` and `hash` see it, on either side of a comparison, and however often it crosses."""
    for made in (crossed(value), crossed(crossed(value)), copy.deepcopy(crossed(value))):
        assert made == plain
        assert plain == made
        assert isinstance(made, type(plain))
        assert hash(made) == hash(plain)
        assert [plain] == [made]
        assert made == record
        assert record == made
        assert repr(made) == repr(record)
    assert crossed(value) != crossed(Colour.RED)
    assert Unpacker(refuse_handle, record=lambda name, /, **fields: (name, fields)).unpack(packed(value)) == (
        record._type,
        record._fields,
    )


def test_a_record_is_only_what_a_plain_value_can_be():
    for also in (Set([], False), Fields("Level", []), Mapping([]), True):
        with pytest.raises(WireError, match="a Level that is a"):
            Unpacker(refuse_handle).unpack(Fields("Level", [], also))


def test_a_record_can_be_copied_hashed_and_held():
    record = Record("Pair", left=[1], self=2, _type=3)
    assert copy.copy(record) == record
    assert copy.deepcopy(record) == record
    assert hash(record) == hash(copy.deepcopy(record))


def test_exceptions_cross_by_name_and_message():
    error = crossed(ConnectionResetError("lost"))
    assert (error.type, error.message) == ("ConnectionResetError", "lost")
    assert error.types[:4] == ["ConnectionResetError", "ConnectionError", "OSError", "Exception"]


def test_an_exception_that_cannot_be_shown_still_crosses():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert crossed(Broken()).message == "(its message can't be shown: RuntimeError)"
    assert len(wire.error_of(ValueError("x" * 10_000)).message) == wire.TEXT_MAX
    assert len(wire.error_of(type("N" * 1_000, (Exception,), {})()).type) == 200


# ---------------------------------------------------------------- refusals when packing


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def test_records_of_different_content_do_not_collide():
    assert crossed(frozenset(Coin(number) for number in range(3_000))) == {
        Record("Coin", value=number) for number in range(3_000)
    }
    assert hash(Record("Held", items=[1])) == hash(Record("Held", items=[2]))  # by what can be hashed of it


@pytest.mark.parametrize("make", [lambda keys: wire.Set(keys, True), lambda keys: wire.Mapping([(k, 1) for k in keys])])
def test_keys_that_are_made_to_collide_are_refused(make):
    prime = 2**61 - 1
    few, many = ([wire.BigInteger(format(prime * (n + 1024), "x")) for n in range(size)] for size in (60, 5_000))
    assert len(Unpacker(refuse_handle).unpack(make(few))) == 60
    with pytest.raises(WireError, match="keys collide"):
        Unpacker(refuse_handle).unpack(make(many))


def test_depth_is_bounded_on_both_sides():
    assert crossed(nested(DEPTH_MAX - 1)) == nested(DEPTH_MAX - 1)
    with pytest.raises(WireError, match="nested deeper than 64 levels"):
        packed(nested(DEPTH_MAX))
    endless: list = []
    endless.append(endless)
    with pytest.raises(WireError, match="nested deeper"):
        packed(endless)


@pytest.mark.parametrize("levels", [DEPTH_MAX + 2, 200, 450])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: wire.Sequence([inner]),
        lambda inner: wire.Tuple([inner]),
        lambda inner: wire.Mapping([(inner, 1)]),
        lambda inner: wire.Mapping([(1, inner)]),
        lambda inner: wire.Set([inner], True),
        lambda inner: wire.Fields("A", [("a", inner)]),
    ],
)
def test_a_deep_value_from_a_hostile_process_is_refused(levels, wrap):
    value: wire.Value = None
    for _ in range(levels):
        value = wrap(value)
    with pytest.raises(WireError, match="nested deeper"):
        Unpacker(refuse_handle).unpack(value)


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, dict.fromkeys])
def test_a_long_collection_is_refused(make):
    with pytest.raises(WireError, match="65,537 items; at most 65,536"):
        packed(make(range(ITEMS_MAX + 1)))


@pytest.mark.parametrize("value", [object(), lambda: 0, iter([]), int, math, 3j])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(WireError, match=r"can't cross; plain data can"):
        packed(value)


# ---------------------------------------------------------------- refusals when unpacking


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (wire.Mapping([(wire.Sequence([]), 1)]), "a key that can't be hashed"),
        (wire.Mapping([("a", 1), ("a", 2)]), "the same key twice"),
        (wire.Mapping([(1, 1), (True, 2)]), "the same key twice"),
        (wire.Set([wire.Mapping([])], False), "an item that can't be hashed"),
        (wire.Set([wire.Tuple([wire.Set([], False)])], True), "an item that can't be hashed"),
        (wire.Handle(7, "", {}, home=True), "no object 7"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused(value, message):
    with pytest.raises(WireError, match=message):
        Unpacker(refuse_handle).unpack(value)


@pytest.mark.parametrize(
    "raw",
    [
        ["l", [0] * (ITEMS_MAX + 1)],
        ["m", [[0, 0]] * (ITEMS_MAX + 1)],
        ["i", "0x1"],
        ["i", "f" * 5_000],
        ["i", ""],
        ["e", [], "no types", []],
        ["e", ["E"], "x" * 2_001, []],
        ["d", "N" * 201, []],
        ["b", "text"],
        ["unknown", 1],
        ["l"],
        ["l", [], "more"],
        [],
        {"a": 1},
    ],
)
def test_values_of_another_shape_are_not_decoded(raw):
    with pytest.raises(msgspec.MsgspecError):
        VALUES.decode(ENCODER.encode(raw))


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_clear_error_or_a_value(data):
    for decoder in (VALUES, DELIVERIES, TURNS):
        try:
            value = decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if decoder is VALUES:
            with_clear_errors(value)


RAW = st.recursive(
    st.none()
    | st.integers(-10, 10)
    | st.sampled_from(["b", "l", "t", "s", "m", "i", "e", "d", "h", "f", "ab"])
    | st.binary(),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=15,
)


@settings(max_examples=200)
@given(RAW)
def test_nearly_right_messages_are_a_clear_error_or_a_value(raw):
    try:
        value = VALUES.decode(ENCODER.encode(raw))
    except msgspec.MsgspecError:
        return
    with_clear_errors(value)


def with_clear_errors(value: wire.Value) -> None:
    with contextlib.suppress(WireError):
        Unpacker(refuse_handle).unpack(value)


# ---------------------------------------------------------------- frames


def reader(data: bytes):
    stream = io.BytesIO(data)

    def read_exactly(size: int) -> bytes:
        part = stream.read(size)
        if len(part) < size:
            raise EOFError
        return part

    return read_exactly


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_frames_come_out_as_they_went_in(payloads):
    read = reader(b"".join(frame(payload) for payload in payloads))
    assert [read_frame(read) for _ in payloads] == payloads
    with pytest.raises(EOFError):
        read_frame(read)


def test_frames_have_a_limit_on_both_sides():
    assert len(frame(bytes(10), limit=10)) == 14
    with pytest.raises(WireError, match="a message of 11 bytes; at most 10"):
        frame(bytes(11), limit=10)
    with pytest.raises(WireError, match="4,294,967,295 bytes was announced"):
        read_frame(reader(b"\xff\xff\xff\xff"))


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 6])
def test_half_a_frame_is_the_end_of_the_stream(cut):
    with pytest.raises(EOFError):
        read_frame(reader(frame(b"abc")[:cut]))


# ---------------------------------------------------------------- what people are shown


class Hostile:
    def __repr__(self) -> str:
        raise SystemError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Hostile(), "<Hostile, whose repr raised SystemError>"),
        ("a" * 300, f"'{'a' * 100}'…'{'a' * 50}' (300 characters)"),
        (b"a" * 300, f"b'{'a' * 100}'…b'{'a' * 50}' (300 bytes)"),
        (list(range(41)), "list of 41: 0, 1, 2, 3, 4, …"),
        ([None, None, 2] * 20, "list of 60: None, 2, …"),
        ({n: n for n in range(41)}, "dict of 41: 0, 1, 2, 3, 4, …"),
        ([1, "b"], "[1, 'b']"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text


def test_an_enormous_integer_is_shown_in_sixteens():
    assert shown(16**4_000).startswith("0x1000")


@given(PLAIN)
def test_shown_is_short(value):
    assert len(shown(value)) <= 1_300, "160 characters, each perhaps written as \\U0010ffff"


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [(0, 0), (1.5, 1_500_000_000), (1e-10, 1), (math.inf, 2**62), (math.nan, 2**62), (1e300, 2**62)],
)
def test_seconds_become_whole_nanoseconds(seconds, nanoseconds):
    assert wire.seconds_to_ns(seconds) == nanoseconds
