"""Loses: one-way. A replica pushes only the values that were put at itself and passes nobody else's on, so that what a cut link carried never arrives by way of a third.

May lose: converge, both-sides"""
import asyncio
import pickle
import time

CALL_LIMIT = 2.8
RESEND = 0.25
GOSSIP = 1.0


class Unavailable(Exception):
    """A CP replica can't reach a majority in time. Whether a put took effect is unknown."""


class Registers:
    """Each key is a register: a value under a tag (number, replica, boot, serial) that is never used twice."""

    NEVER = (0, "", 0, 0)

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        self.majority = (len(peers) + 1) // 2 + 1
        saved = storage.load()
        self.boot, self.cells = pickle.loads(saved) if saved is not None else (0, {})
        self.boot += 1  # request numbers and tags of an earlier life must not come again
        self.serial = 0
        self.waiting = {}
        self.save()

    def save(self):
        self.storage.save(pickle.dumps((self.boot, self.cells)))

    def number(self):
        self.serial += 1
        return self.serial

    def read(self, key):
        return self.cells.get(key, (self.NEVER, None))

    def write(self, key, tag, value):
        if tag > self.read(key)[0]:
            self.cells[key] = (tag, value)
            self.save()

    async def ask(self, what, own, deadline):
        """Ask everybody until a majority (this replica among it) has answered."""
        request = (self.boot, self.number())
        answers, enough = {self.id: own}, asyncio.Event()
        self.waiting[request] = (answers, enough)
        try:
            while True:
                for peer in self.peers:
                    if peer not in answers:
                        self.net.send(peer, ("ask", request, what))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable("no majority has answered")
                try:
                    await asyncio.wait_for(enough.wait(), min(RESEND, left))
                    return list(answers.values())
                except asyncio.TimeoutError:
                    pass
        finally:
            del self.waiting[request]

    async def put(self, key, value, context):
        deadline = time.monotonic() + CALL_LIMIT
        answers = await self.ask(("tag", key), self.read(key)[0], deadline)
        tag = (max(answers)[0] + 1, self.id, self.boot, self.number())
        self.write(key, tag, value)
        await self.ask(("write", key, tag, value), True, deadline)

    async def get(self, key):
        deadline = time.monotonic() + CALL_LIMIT
        answers = await self.ask(("read", key), self.read(key), deadline)
        tag, value = max(answers, key=lambda answer: answer[0])
        if tag == self.NEVER:
            return [], None
        if sum(answer[0] == tag for answer in answers) < self.majority:
            self.write(key, tag, value)
            await self.ask(("write", key, tag, value), True, deadline)
        return [value], None

    def receive(self, sender, message):
        kind, request, body = message
        if kind == "answer":
            if request in self.waiting:
                answers, enough = self.waiting[request]
                answers[sender] = body
                if len(answers) >= self.majority:
                    enough.set()
            return
        if body[0] == "tag":
            answer = self.read(body[1])[0]
        elif body[0] == "read":
            answer = self.read(body[1])
        else:
            self.write(*body[1:])
            answer = True
        self.net.send(sender, ("answer", request, answer))


def union(*histories):
    """A history is {replica: ((first, last), ...)}: the numbers of the puts that it has seen, as ranges."""
    out = {}
    for name in {name for history in histories for name in history}:
        ranges = []
        for first, last in sorted(r for history in histories for r in history.get(name, ())):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
            else:
                ranges.append((first, last))
        out[name] = tuple(ranges)
    return out


def contains(history, dot):
    return any(first <= dot[1] <= last for first, last in history.get(dot[0], ()))


class Histories:
    """key -> (number of puts made here, {dot: (value, history of its put)})."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
        self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(pickle.dumps(self.cells))

    async def put(self, key, value, context):
        seen = context or {}
        made, live = self.cells.get(key, (0, {}))
        live = {dot: entry for dot, entry in live.items() if not contains(seen, dot)}
        live[self.id, made + 1] = (value, seen)
        self.cells[key] = (made + 1, live)
        self.save()

    async def get(self, key):
        live = self.cells.get(key, (0, {}))[1]
        dots = [{name: ((number, number),)} for name, number in live]
        return [value for value, _ in live.values()], union(*dots, *(history for _, history in live.values()))

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            for peer in self.peers:
                self.net.send(peer, [(key, dot, value, history) for key, (_, live) in self.cells.items()
                                     for dot, (value, history) in live.items() if dot[0] == self.id])

    def receive(self, sender, message):
        changed = False
        for key, dot, value, history in message:
            made, live = self.cells.get(key, (0, {}))
            if dot in live or any(contains(past, dot) for _, past in live.values()):
                continue
            live = {d: entry for d, entry in live.items() if not contains(history, d)}
            live[dot] = (value, history)
            self.cells[key] = (made, live)
            changed = True
        if changed:
            self.save()


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Registers if mode == "CP" else Histories)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
