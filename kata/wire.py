"""What may cross between two processes, and how: frames with a size limit, and plain values inside them.

A frame is a 4-byte big-endian length and that many bytes of msgpack. A value is data, never code: numbers, text, bytes,
lists, tuples, sets, dicts; exceptions and dataclasses by name and content; and handles to objects that stay where
they are. Everything is decoded by msgspec into the types below, so a malformed frame is one clear error.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import struct
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta

FRAME_BYTES_MAX = 1024 * 1024
"""Between supervisor and student; the job and its events have limits of their own in `kata.protocol`."""

ITEMS_MAX = 65_536
DEPTH_MAX = 64
COLLISIONS_MAX = 64
"""Keys of one dict, or items of one set, whose hash another one has too."""
TEXT_MAX = 2_000
"""Characters of an exception's message that cross."""
NAMES_MAX, NAME_CHARS_MAX = 5_000, 200
"""Of the public names that a submission defines: so many are looked at, and so much of each."""

_HEADER = struct.Struct(">I")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_FOR_EVER_NS = 2**62

ShortText = Annotated[str, Meta(max_length=TEXT_MAX)]
Name = Annotated[str, Meta(max_length=200)]


class WireError(Exception):
    """A frame or a value that may not cross; the message says why, in words for the one who sent it."""


# ---------------------------------------------------------------- frames


def frame(payload: bytes, limit: int = FRAME_BYTES_MAX) -> bytes:
    """The payload with its length before it. WireError when it is longer than `limit` bytes."""
    if len(payload) > limit:
        raise WireError(f"a message of {len(payload):,} bytes; at most {limit:,} may cross")
    return _HEADER.pack(len(payload)) + payload


def read_frame(read_exactly: Callable[[int], bytes], limit: int = FRAME_BYTES_MAX) -> bytes:
    """Read one frame's payload with `read_exactly(size)`, which raises EOFError at the end of the stream.

    WireError when the announced length is above `limit`; nothing of the payload has been read then.
    """
    (size,) = _HEADER.unpack(read_exactly(_HEADER.size))
    if size > limit:
        raise WireError(f"a message of {size:,} bytes was announced; at most {limit:,} may cross")
    return read_exactly(size)


# ---------------------------------------------------------------- values on the wire


class _Tagged(msgspec.Struct, frozen=True, array_like=True, tag_field="wire", forbid_unknown_fields=True):
    pass


class Bytes(_Tagged, frozen=True, tag="b"):
    """msgspec can't tell text from bytes in a union, so bytes are tagged."""

    value: bytes


class Sequence(_Tagged, frozen=True, tag="l"):
    items: Annotated[list[Value], Meta(max_length=ITEMS_MAX)]


class Tuple(_Tagged, frozen=True, tag="t"):
    items: Annotated[list[Value], Meta(max_length=ITEMS_MAX)]


class Set(_Tagged, frozen=True, tag="s"):
    items: Annotated[list[Value], Meta(max_length=ITEMS_MAX)]
    frozen: bool


class Mapping(_Tagged, frozen=True, tag="m"):
    items: Annotated[list[tuple[Value, Value]], Meta(max_length=ITEMS_MAX)]


class BigInteger(_Tagged, frozen=True, tag="i"):
    hexadecimal: Annotated[str, Meta(max_length=4_096, pattern="^-?[0-9a-f]+$")]


class Frame(_Tagged, frozen=True, tag="f"):
    """A line of the submission in a traceback."""

    file: Name
    line: int
    function: Name
    source: ShortText


class Error(_Tagged, frozen=True, tag="e"):
    """An exception: its type, the names of all its types from itself upwards, its message, its own frames."""

    types: Annotated[list[Name], Meta(max_length=50, min_length=1)]
    message: ShortText
    frames: Annotated[list[Frame], Meta(max_length=50)]

    @property
    def type(self) -> str:
        return self.types[0]


class Fields(_Tagged, frozen=True, tag="d"):
    """A dataclass, a named tuple or an enum's member, by its name and fields."""

    type: Name
    fields: Annotated[list[tuple[Name, Value]], Meta(max_length=200)]
    also: Value = None
    """The plain value that it is besides: an enum member's number or text; of a named tuple, an empty tuple."""


Way = Literal["await", "call", "post"]
"""How a student calls a method: awaits it; calls it plainly and has its answer; or calls it, and there is no answer."""


class Handle(_Tagged, frozen=True, tag="h"):
    """An object that stays in the process that made it. `home`: it is the receiver's own, coming back."""

    id: int
    type: Name
    methods: dict[str, Way]
    """Names of callable methods, each with how it is called."""
    home: bool = False


Value = Union[  # noqa: UP007 - a string-free recursive alias can't be written with `|` here
    None, bool, int, float, str, Bytes, Sequence, Tuple, Set, Mapping, BigInteger, Error, Fields, Handle
]


# ---------------------------------------------------------------- Python values


class Record:
    """A dataclass of the other side: its type's name, and its fields as attributes. Compares by both."""

    def __init__(self, _type: str, /, **fields: object) -> None:
        object.__setattr__(self, "_type", _type)
        object.__setattr__(self, "_fields", fields)

    def __getattr__(self, name: str) -> Any:
        if name in ("_fields", "_type"):
            raise AttributeError(name)  # it is only being made, by `copy` for instance
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"{self._type} has no field {name!r}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and (self._type, self._fields) == (other._type, other._fields)

    def __hash__(self) -> int:
        try:
            return hash((self._type, tuple(self._fields.items())))
        except TypeError:  # a field that can't be hashed, of a class whose hash leaves it out
            return hash((self._type, tuple(self._fields)))

    def __repr__(self) -> str:
        return f"{self._type}({', '.join(f'{k}={shown(v)}' for k, v in self._fields.items())})"


class PlainRecord(Record):
    """A record that is a plain value besides, as a named tuple is a tuple: it compares as either."""

    plain: Any

    def __eq__(self, other: object) -> bool:
        return Record.__eq__(self, other) or self.plain.__eq__(self, other) is True

    def __hash__(self) -> int:
        return int(self.plain.__hash__(self))


_PLAIN_RECORDS: dict[type[Any], type[Any]] = {
    plain: type(f"{plain.__name__.title()}Record", (PlainRecord, plain), {"plain": plain})
    for plain in (int, float, str, bytes, tuple)
}


def _plain_record(name: str, fields: dict[str, Any], value: object) -> Record:
    """A record that is that value besides."""
    kind = _PLAIN_RECORDS.get(type(value))
    if kind is None:
        raise WireError(f"a {name[:40]} that is a {type(value).__name__}")
    made = kind.plain.__new__(kind, value)
    Record.__init__(made, name, **fields)
    return made  # type: ignore[no-any-return]


_AS_THEY_ARE = frozenset({type(None), bool, float})
"""Types whose values are the same on the wire."""
_SCALARS = _AS_THEY_ARE | {int, str}
"""Types of wire values that are Python's."""
_COLLECTIONS = frozenset({list, tuple, dict, set, frozenset})
# For `isinstance` where it is asked very often: to make a union each time takes longer than to ask.
_SETS, _BUFFERS, _STRINGS, _LISTED = (set, frozenset), (bytearray, memoryview), (str, bytes), tuple(_COLLECTIONS)


class Packer:
    """Turns Python values into wire values. `handle(value)` makes a Handle for what isn't plain data, or None."""

    def __init__(self, handle: Callable[[object], Handle | None]) -> None:
        self._handle = handle

    def pack(self, value: object, depth: int = 0) -> Value:
        """WireError when it is nested too deeply, too long, or not plain data."""
        kind = type(value)
        if kind is str:
            return _clean(value)  # type: ignore[arg-type]
        if kind in _AS_THEY_ARE:
            return value  # type: ignore[return-value]
        if kind is bytes:
            return Bytes(value)  # type: ignore[arg-type]
        if kind is int:
            return value if _INT_MIN <= value <= _INT_MAX else _big(value)  # type: ignore[operator, return-value, arg-type]
        return self._pack_compound(value, depth)

    def _pack_compound(self, value: Any, depth: int) -> Value:
        if depth >= DEPTH_MAX:
            raise WireError(f"a value nested deeper than {DEPTH_MAX} levels")
        if type(value) not in _COLLECTIONS:
            handle = self._handle(value)
            if handle is not None:
                return handle
            if isinstance(value, Record):
                return self._pack_record(value, depth)
            if isinstance(value, enum.Enum):
                number = value.value if isinstance(value, type(value.value)) else None
                also = self.pack(number) if type(number) in _PLAIN_RECORDS else None
                return Fields(type(value).__name__[:200], [("name", _clean(value.name))], also)
            if isinstance(value, tuple) and hasattr(value, "_fields"):
                return self._fields(value, zip(value._fields, value, strict=True), depth, also=Tuple([]))
        if isinstance(value, dict):
            return Mapping([(self.pack(k, depth + 1), self.pack(v, depth + 1)) for k, v in _bounded(value.items())])
        for types, make in ((list, Sequence), (tuple, Tuple)):
            if isinstance(value, types):
                return make([self.pack(item, depth + 1) for item in _bounded(value)])
        if isinstance(value, _SETS):
            return Set([self.pack(item, depth + 1) for item in _bounded(value)], isinstance(value, frozenset))
        if isinstance(value, _BUFFERS):
            return Bytes(bytes(value))
        if isinstance(value, BaseException):
            return error_of(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._fields(value, ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value)), depth)
        for plain in (bool, int, float, str, bytes):
            if isinstance(value, plain):
                return self.pack(plain(value), depth)  # type: ignore[arg-type]
        raise WireError(f"a {type(value).__name__} can't cross; plain data can")

    def _pack_record(self, value: Record, depth: int) -> Fields:
        also: Value = None
        if isinstance(value, PlainRecord):
            also = Tuple([]) if value.plain is tuple else self.pack(value.plain(value))
        return self._fields(value, value._fields.items(), depth, value._type, also)

    def _fields(self, value: object, items: Any, depth: int, name: str = "", also: Value = None) -> Fields:
        fields = [(str(key)[:200], self.pack(item, depth + 1)) for key, item in items]
        return Fields((name or type(value).__name__)[:200], fields, also)


class Unpacker:
    """Turns wire values into Python values; `resolve(handle)` gives the object or proxy behind a Handle."""

    def __init__(self, resolve: Callable[[Handle], object], record: Callable[..., object] = Record) -> None:
        self._resolve = resolve
        self._record = record

    def unpack(self, value: Value, depth: int = 0) -> Any:
        """WireError when it can't be rebuilt: too deep, an unhashable key, a doubled one, an unknown handle."""
        if depth > DEPTH_MAX:
            raise WireError(f"a value nested deeper than {DEPTH_MAX} levels")
        if type(value) in _SCALARS:
            return value
        match value:
            case Bytes():
                return value.value
            case Sequence():
                return [self.unpack(item, depth + 1) for item in value.items]
            case Tuple():
                return tuple([self.unpack(item, depth + 1) for item in value.items])
            case Mapping():
                return self._mapping(value, depth)
            case Set():
                return self._set(value, depth)
            case BigInteger():
                return int(value.hexadecimal, 16)
            case Fields():
                return self._unpack_record(value, depth)
            case Handle():
                return self._resolve(value)
            case _:
                return value

    def _unpack_record(self, value: Fields, depth: int) -> object:
        fields = {name: self.unpack(item, depth + 1) for name, item in value.fields}
        made = self._record(value.type, **fields)
        if value.also is None or type(made) is not Record:
            return made
        also = tuple(fields.values()) if isinstance(value.also, Tuple) else self.unpack(value.also, depth + 1)
        return _plain_record(value.type, fields, also)

    def _mapping(self, value: Mapping, depth: int) -> dict[Any, Any]:
        items = [(self.unpack(k, depth + 1), self.unpack(v, depth + 1)) for k, v in value.items]
        try:
            _forbid_collisions("dict", [key for key, _ in items])
            result = dict(items)
        except TypeError:
            raise WireError("a dict with a key that can't be hashed") from None
        if len(result) != len(value.items):
            raise WireError("a dict with the same key twice")
        return result

    def _set(self, value: Set, depth: int) -> Any:
        items = [self.unpack(item, depth + 1) for item in value.items]
        try:
            _forbid_collisions("set", items)
            return (frozenset if value.frozen else set)(items)
        except TypeError:
            raise WireError("a set with an item that can't be hashed") from None


def _forbid_collisions(kind: str, keys: list[Any]) -> None:
    """Equal hashes make building a dict or a set quadratic: 40,000 chosen integers took 20 s.

    WireError when there are too many; TypeError when a key can't be hashed.
    """
    if len(keys) > COLLISIONS_MAX and len(keys) - len(set(map(hash, keys))) > COLLISIONS_MAX:
        raise WireError(f"a {kind} whose keys collide, by design it seems")


def error_of(error: BaseException, frames: list[Frame] | None = None) -> Error:
    """An exception as data; its own `__str__` may fail, and that is said instead."""
    try:
        message = str(error)
    except Exception as broken:
        message = f"(its message can't be shown: {type(broken).__name__})"
    types = [kind.__name__[:200] for kind in type(error).__mro__ if kind is not object]
    return Error(types[:50], _clean(message)[:TEXT_MAX], (frames or [])[-50:])


def shown(value: object, limit: int = 200) -> str:
    """`repr`, cut in the middle to `limit` characters, and whole: what a broken or huge value shows."""
    if isinstance(value, _STRINGS) and len(value) > limit:
        head, tail = value[: limit // 2], value[-limit // 4 :]
        return f"{head!r}…{tail!r} ({len(value):,} {'characters' if isinstance(value, str) else 'bytes'})"
    if isinstance(value, _LISTED) and len(value) > 40:
        # Each that looks like another is shown once.
        head = ", ".join(dict.fromkeys(shown(item, 40) for item, _ in zip(value, range(5), strict=False)))
        return f"{type(value).__name__} of {len(value):,}: {head}, …"[: limit + 40]
    try:
        # Python writes no integer of more than 4,300 digits.
        text = hex(value) if isinstance(value, int) and value.bit_length() > 10_000 else repr(value)
    except Exception as broken:
        return f"<{type(value).__name__}, whose repr raised {type(broken).__name__}>"
    return text if len(text) <= limit else f"{text[: limit * 3 // 4]}…{text[-limit // 5 :]}"


def _clean(text: str) -> str:
    """Lone surrogates can't be encoded; they become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return str(text).encode("utf-8", "replace").decode()
    return text


def _bounded(items: Any) -> Any:
    if len(items) > ITEMS_MAX:
        raise WireError(f"a collection of {len(items):,} items; at most {ITEMS_MAX:,} may cross")
    return items


def _big(value: int) -> BigInteger:
    if value.bit_length() > 16_000:
        raise WireError(f"an integer of {value.bit_length():,} bits; at most 16,000 may cross")
    return BigInteger(format(value, "x"))


def seconds_to_ns(seconds: float) -> int:
    """Whole nanoseconds, rounded up, so that a timer is due when its moment has come; for ever is 146 years."""
    nanoseconds = seconds * 1_000_000_000
    return math.ceil(nanoseconds) if nanoseconds < _FOR_EVER_NS else _FOR_EVER_NS


# ---------------------------------------------------------------- supervisor and student


class Call(_Tagged, frozen=True, tag="call"):
    """Call a method of an object that the student process holds; object 0 is the submission's module.

    With `each`, `args` is a list of argument tuples: one call for each, one after another or all at once.
    """

    id: int
    target: int
    method: Name
    args: list[Value]
    kwargs: dict[str, Value]
    each: Literal["", "in a row", "at once"] = ""
    awaited: bool | None = None
    """Whether the interface has the method as `async def`: who calls it awaits it, or has its answer at once. None:
    either will do."""
    gives: Name = ""
    """The interface's class of what it gives: that stays with the student, also where it could cross as data."""


class Cancel(_Tagged, frozen=True, tag="cancel"):
    """Cancel the task of a call."""

    id: int


class Answer(_Tagged, frozen=True, tag="answer"):
    """What the student process asked for."""

    id: int
    value: Value


class Refusal(_Tagged, frozen=True, tag="refusal"):
    """An ask that failed: the exception to raise."""

    id: int
    error: Error


class Farewell(_Tagged, frozen=True, tag="farewell"):
    """The process will be killed next: say which lines were run."""

    statements: bool
    """Also say which lines there are."""


class Stay(_Tagged, frozen=True, tag="stay"):
    """Run on that core of the machine from now on: on one and the same, CPU times can be compared."""

    core: int


class Deliver(_Tagged, frozen=True, tag="deliver"):
    """The supervisor's turn: the clocks' new time, and what has come."""

    monotonic_ns: int
    wall_ns: int
    messages: list[Call | Cancel | Answer | Refusal | Farewell | Stay]


class Done(_Tagged, frozen=True, tag="done"):
    id: int
    value: Value


class Failed(_Tagged, frozen=True, tag="failed"):
    id: int
    error: Error
    protocol: bool = False
    """The call itself was answered, but its answer can't cross."""


class Ask(_Tagged, frozen=True, tag="ask"):
    """Call a method of one of the grader's objects."""

    id: int
    target: int
    method: Name
    args: list[Value]
    kwargs: dict[str, Value]


class Lines(_Tagged, frozen=True, tag="lines"):
    """Coverage of one file of the submission."""

    file: Name
    statements: Annotated[list[int], Meta(max_length=ITEMS_MAX)]
    executed: Annotated[list[int], Meta(max_length=ITEMS_MAX)]


class More(_Tagged, frozen=True, tag="more"):
    """Another frame of this turn follows."""


class Idle(_Tagged, frozen=True, tag="idle"):
    """Everything waits; the next timer is due at this reading of the monotonic clock (None: there is none)."""

    timer_ns: int | None


class Asking(_Tagged, frozen=True, tag="asking"):
    """Blocked in a plain call until that ask is answered."""

    id: int


class Sleeping(_Tagged, frozen=True, tag="sleeping"):
    """Blocked in `time.sleep` until then."""

    until_ns: int


class Turn(_Tagged, frozen=True, tag="turn"):
    """The student process's turn: what it has to say, and what it waits for."""

    messages: list[Done | Failed | Ask | Lines]
    state: More | Idle | Asking | Sleeping


class Hello(_Tagged, frozen=True, tag="hello"):
    """The first frame of a student process, sent before any student code: what confines it."""

    protections: list[Name]
    failure: ShortText = ""
    full: bool = False
    """It failed for want of something that all student processes share."""
