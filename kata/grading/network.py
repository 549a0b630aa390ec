"""A network between student processes: messages take time, and get lost, doubled, late and cut off, all by the seed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from kata.grading.fakes import refuse, remote
from kata.supervisor.failures import failed
from kata.supervisor.proxies import Method, Module
from kata.supervisor.transcript import Entry
from kata.supervisor.world import World
from kata.wire import Packer, Record, shown

STORM_MESSAGES = 1_000
"""So many within one virtual second are a storm: nobody's protocol needs them, and the check would not end."""

# Asked of every part of every message: to make a union each time would take longer than to ask.
_PLAIN, _LISTS = (bool, int, float, str, bytes), (list, tuple, set, frozenset)

Link = tuple[str, str]
Held = TypeVar("Held")


@dataclass(frozen=True, eq=False)
class Message:
    """One call of `send`. Times are virtual seconds."""

    sender: str
    to: str
    content: object
    sent_at: float
    arrivals: list[float] = field(default_factory=list)
    """When it arrived: never, once, or more often."""


class Network:
    """Carries messages between named processes: `net.send("n2", message)` in one calls `receive` in the other.

    A message arrives once, `delay_seconds` after it was sent, unless a fault is on. Messages that arrive at the same
    moment do so in an order drawn from the seed. Faults are `with` blocks, and hold for what is sent meanwhile:

        with net.partition({"n1"}, {"n2", "n3"}): ...    nothing passes between the groups
        with net.cut({"n1"}, {"n2"}): ...                nothing passes from n1 to n2; the other way is open
        with net.losing(share=0.3): ...                  each message is lost with that probability
        with net.doubling(share=0.5, seconds=2): ...     each arrives again with that probability, up to so much later
        with net.jitter(seconds=0.5): ...                each takes up to so much longer, so that they overtake
        with net.slow(seconds=2, ...): ...               each takes so much longer

    A message is lost, too, when its link is cut, or its receiver does not run, at the moment at which it would arrive.
    A process's messages to itself pass like any others, and no partition cuts them.
    """

    def __init__(self, world: World, delay_seconds: float = 0.05) -> None:
        self.delay_seconds = delay_seconds
        self.messages: list[Message] = []
        """All that were sent, in order."""
        self._world = world
        self._receivers: dict[str, Method] = {}
        self._names: set[str] = set()
        self._cuts: list[frozenset[Link]] = []
        self._losses: list[float] = []
        self._doublings: list[tuple[float, float]] = []
        self._jitters: list[float] = []
        self._delays: list[tuple[float, frozenset[Link] | None]] = []

    # ------------------------------------------------------------ who takes part

    def expect(self, names: Iterable[str]) -> None:
        """Messages may be sent to these names; what arrives before they are attached is lost."""
        self._names.update(names)

    def endpoint(self, name: str, student: Module) -> Endpoint:
        """The `net` of that process: whatever is sent with it, by that process alone, comes from `name`."""
        self._names.add(name)
        endpoint = Endpoint(self, name)
        self._world.expose(endpoint, "net", to=student)
        return endpoint

    def attach(self, name: str, receive: Method) -> None:
        """From now on, messages to `name` call `receive(sender, message)`; what that raises fails the check."""
        self._names.add(name)
        self._receivers[name] = receive

    def detach(self, name: str) -> None:
        """From now on, what arrives for `name` is lost."""
        self._receivers.pop(name, None)

    def forget(self) -> None:
        """Empty `messages`: what is counted begins here."""
        self.messages.clear()

    # ------------------------------------------------------------ faults

    @contextlib.contextmanager
    def partition(self, *groups: Iterable[str]) -> Iterator[None]:
        """Nothing passes from one group to another. Who stands in no group is not affected."""
        sides = [sorted(group) for group in groups]
        links = [(a, b) for one in sides for other in sides if one is not other for a in one for b in other]
        text = " | ".join(" ".join(side) for side in sides)
        with self._cut(links, f"partition: {text}", f"no more partition: {text}"):
            yield

    @contextlib.contextmanager
    def cut(self, senders: Iterable[str], receivers: Iterable[str]) -> Iterator[None]:
        """Nothing passes from the senders to the receivers; what they answer does."""
        froms, tos = sorted(senders), sorted(receivers)
        links = [(a, b) for a in froms for b in tos if a != b]
        text = f"from {' '.join(froms)} to {' '.join(tos)}"
        with self._cut(links, f"nothing passes {text}", f"messages pass again {text}"):
            yield

    @contextlib.contextmanager
    def _cut(self, links: Iterable[Link], begins: str, ends: str) -> Iterator[None]:
        cut = frozenset(links)
        with self._world.fault(begins, ends), _listed(self._cuts, cut):
            yield

    @contextlib.contextmanager
    def losing(self, share: float) -> Iterator[None]:
        """Each message sent meanwhile is lost with that probability (0 to 1), each independently."""
        text = f"{share:.0%} of the messages are lost"
        with self._world.fault(text, "no more messages are lost"), _listed(self._losses, share):
            yield

    @contextlib.contextmanager
    def doubling(self, share: float, seconds: float = 0.2) -> Iterator[None]:
        """Each message sent meanwhile arrives twice with that probability: again up to `seconds` later."""
        text = f"{share:.0%} of the messages arrive twice"
        with self._world.fault(text, "messages arrive once again"), _listed(self._doublings, (share, seconds)):
            yield

    @contextlib.contextmanager
    def jitter(self, seconds: float) -> Iterator[None]:
        """Each message sent meanwhile takes up to that many virtual seconds more, each independently."""
        text = f"messages take up to {seconds:g} s more, and overtake each other"
        with self._world.fault(text, "messages are on time again"), _listed(self._jitters, seconds):
            yield

    @contextlib.contextmanager
    def slow(
        self, seconds: float, senders: Iterable[str] | None = None, receivers: Iterable[str] | None = None
    ) -> Iterator[None]:
        """Each message sent meanwhile (from these senders, to these receivers; None: all) takes so much longer."""
        froms = sorted(self._names if senders is None else senders)
        tos = sorted(self._names if receivers is None else receivers)
        links = frozenset((a, b) for a in froms for b in tos)
        text = f"messages from {' '.join(froms)} to {' '.join(tos)}"
        note = f"{text} take {seconds:g} s more"
        with self._world.fault(note, f"{text} are on time again"), _listed(self._delays, (seconds, links)):
            yield

    # ------------------------------------------------------------ a message's way

    def send(self, sender: str, to: str, content: object) -> None:
        """Take a message on its way; it arrives in virtual time, or not."""
        now = self._world.clock.now
        message = Message(sender, to, content, now)
        self.messages.append(message)
        self._expect_no_storm(message)
        # Every share has its draw, so that what is drawn later does not depend on what comes of it.
        later = [seconds for share, seconds in self._doublings if self._by_chance(share)]
        lost = sum(self._by_chance(share) for share in self._losses) > 0
        for copy in range(2 if later else 1):
            delay = self._delay(sender, to) + (self._world.random.uniform(0, max(later)) if copy else 0)
            line = Entry(self._world.now_ns, shown(content), "message", sender, peer=to)
            self._world.entries.append(line)
            if copy:
                line.note = "a copy"
            if lost:
                line.note = "lost"
            elif self._is_cut(sender, to):
                line.note = "lost: cut off"
            else:
                self._world.after(delay, lambda line=line: self._arrive(message, line))  # type: ignore[misc]

    def _expect_no_storm(self, message: Message) -> None:
        before = self.messages[-STORM_MESSAGES] if len(self.messages) >= STORM_MESSAGES else None
        if before is not None and before.sent_at > self._world.clock.now - 1:
            raise failed(
                "cost",
                f"{STORM_MESSAGES:,} messages were sent within one virtual second, the last by {message.sender}.",
                expected=f"fewer than {STORM_MESSAGES:,} messages a second",
                got=f"{STORM_MESSAGES:,}",
                advice="Look for messages that are answered with messages that are answered, without an end.",
            )

    def _arrive(self, message: Message, line: Entry) -> None:
        receive = self._receivers.get(message.to)
        if receive is None:
            line.note = f"lost: {message.to} is down"
        elif self._is_cut(message.sender, message.to):
            line.note = "lost: cut off on its way"
        else:
            message.arrivals.append(self._world.clock.now)
            line.until_ns = self._world.now_ns
            receive.deliver(line, message.sender, message.content)

    def _delay(self, sender: str, to: str) -> float:
        slower = sum(seconds for seconds, links in self._delays if links is None or (sender, to) in links)
        return self.delay_seconds + slower + sum(self._world.random.uniform(0, most) for most in self._jitters)

    def _is_cut(self, sender: str, to: str) -> bool:
        return any((sender, to) in cut for cut in self._cuts)

    def _by_chance(self, share: float) -> bool:
        return self._world.random.random() < share

    def expect_name(self, to: object) -> None:
        """Refuse a receiver that is none."""
        if not isinstance(to, str):
            refuse(TypeError(f"net.send takes a replica's name, not {type(to).__name__}"))
        if to not in self._names:
            refuse(ValueError(f"net.send: nobody is called {shown(to)}"))


class Endpoint:
    """What one process sees of the network."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name
        self._sends_left: int | None = None
        self._then: Callable[[], None] = lambda: None
        self._leaves = False

    def after_sends(
        self, count: int | None, action: Callable[[], None] = lambda: None, *, leaves: bool = False
    ) -> None:
        """Let so many more sends pass; at the next one, `action` happens in its place. None: let all pass.

        With `leaves` that one passes as well, and `action` happens before its sender does anything more.
        """
        self._sends_left, self._then, self._leaves = count, action, leaves

    @remote(posted=True, told=False)
    def send(self, to: str, message: object) -> None:
        """Send plain data to the process of that name. Returns at once, and knows nothing of what becomes of it."""
        self._network.expect_name(to)
        if not is_plain(message):
            refuse(TypeError("net.send takes plain data as a message: numbers, text, bytes, and collections of them"))
        at_last = self._sends_left == 0
        if self._sends_left:
            self._sends_left -= 1
        if not at_last or self._leaves:
            self._network.send(self._name, to, message)
        if at_last:
            self._then()


def is_plain(value: object) -> bool:
    """Whether it is data through and through, so that it means the same in every process."""
    if value is None or isinstance(value, _PLAIN):
        return True
    if isinstance(value, _LISTS):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(held) for key, held in value.items())
    return isinstance(value, Record) and all(map(is_plain, value._fields.values()))


def wire_size(value: object) -> int:
    """How many bytes a plain value takes up where it crosses between processes."""
    return len(msgspec.msgpack.encode(Packer(lambda _: None).pack(value)))


@contextlib.contextmanager
def _listed(entries: list[Held], entry: Held) -> Iterator[None]:
    entries.append(entry)
    try:
        yield
    finally:
        entries.remove(entry)
