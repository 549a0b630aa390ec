"""Loses: both-sides. A key is pushed for five rounds after it has changed here and then no more, so that a longer partition is never made good.

May lose: one-way, converge, crash, causal"""
import asyncio
import pickle
import time

CALL_LIMIT = 2.8
RESEND = 0.25
GOSSIP = 1.0
HOT_ROUNDS = 5


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


class Baskets:
    """Each key is (vector, live): all dots ever heard of as a version vector, and the values not replaced, by dot."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
        self.hot = {}  # key -> how many more rounds it is pushed
        self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(pickle.dumps(self.cells))

    @staticmethod
    def join(a, b):
        return {name: max(a.get(name, 0), b.get(name, 0)) for name in {*a, *b}}

    async def put(self, key, value, context):
        seen = dict(context or {})
        vector, live = self.cells.get(key, ({}, {}))
        live = {dot: v for dot, v in live.items() if dot[1] > seen.get(dot[0], 0)}
        vector = self.join(vector, seen)
        vector[self.id] = vector.get(self.id, 0) + 1
        live[self.id, vector[self.id]] = value
        self.cells[key] = (vector, live)
        self.hot[key] = HOT_ROUNDS
        self.save()

    async def get(self, key):
        vector, live = self.cells.get(key, ({}, {}))
        return list(live.values()), dict(vector)

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            news = {key: self.cells[key] for key in self.hot}
            self.hot = {key: rounds - 1 for key, rounds in self.hot.items() if rounds > 1}
            if news:
                for peer in self.peers:
                    self.net.send(peer, {key: (dict(v), dict(live)) for key, (v, live) in news.items()})

    def receive(self, sender, message):
        changed = False
        for key, (vector, live) in message.items():
            mine, kept = self.cells.get(key, ({}, {}))
            merged = {d: v for d, v in kept.items() if d in live or d[1] > vector.get(d[0], 0)}
            merged.update((d, v) for d, v in live.items() if d in kept or d[1] > mine.get(d[0], 0))
            joined = self.join(mine, vector)
            if joined != mine or merged.keys() != kept.keys():
                self.cells[key] = (joined, merged)
                self.hot[key] = HOT_ROUNDS
                changed = True
        if changed:
            self.save()


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Registers if mode == "CP" else Baskets)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
