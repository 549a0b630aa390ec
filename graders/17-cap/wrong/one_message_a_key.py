"""Loses: converge. Each round sends every peer one message for each key, twice a second, so that with three keys or more it's over the 5 messages a second."""
import asyncio
import pickle
import time

CALL_LIMIT = 2.8
RESEND = 0.25


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


class DottedValues:
    """key -> {(replica, number): (value, version vector of what its put had seen)}."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
        self.task = asyncio.create_task(self.gossip())

    @staticmethod
    def ceiling(cell):
        top = {}
        for (name, number), (_, past) in cell.items():
            for who, count in [(name, number), *past.items()]:
                top[who] = max(top.get(who, 0), count)
        return top

    async def put(self, key, value, context):
        seen = dict(context or {})
        cell = self.cells.get(key, {})
        number = max(self.ceiling(cell).get(self.id, 0), seen.get(self.id, 0)) + 1
        cell = {dot: entry for dot, entry in cell.items() if dot[1] > seen.get(dot[0], 0)}
        cell[self.id, number] = (value, seen)
        self.cells[key] = cell
        self.storage.save(pickle.dumps(self.cells))
        self.push([key])

    async def get(self, key):
        cell = self.cells.get(key, {})
        return [value for value, _ in cell.values()], self.ceiling(cell)

    def push(self, keys):
        for key in keys:
            news = [(*dot, value, dict(past)) for dot, (value, past) in self.cells[key].items()]
            for peer in self.peers:
                self.net.send(peer, [(key, news)])

    async def gossip(self):
        while True:
            await asyncio.sleep(0.5)
            self.push(list(self.cells))

    def receive(self, sender, message):
        changed = False
        for key, entries in message:
            cell = self.cells.get(key, {})
            both = {**cell, **{(name, number): (value, past) for name, number, value, past in entries}}
            merged = {dot: entry for dot, entry in both.items()
                      if not any(dot[1] <= past.get(dot[0], 0) for _, past in both.values())}
            if merged.keys() != cell.keys():
                self.cells[key] = merged
                changed = True
        if changed:
            self.storage.save(pickle.dumps(self.cells))


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Registers if mode == "CP" else DottedValues)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
