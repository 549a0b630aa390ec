"""Loses: siblings. A put's version vector is its context with the replica's own count raised, so that the second put with one context at one replica dominates the first.

May lose: causal, both-sides, converge, one-way, crash, bounded"""
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


class VersionedValues:
    """key -> [(version vector, value)], none of which another dominates."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
        self.task = asyncio.create_task(self.gossip())

    @staticmethod
    def join(*vectors):
        return {name: max(v.get(name, 0) for v in vectors) for name in {name for v in vectors for name in v}}

    @staticmethod
    def older(a, b):
        return a != b and all(count <= b.get(name, 0) for name, count in a.items())

    def merge(self, key, entries):
        both = list(self.cells.get(key, []))
        both += [entry for entry in entries if entry not in both]
        merged = [entry for entry in both if not any(self.older(entry[0], other[0]) for other in both)]
        if merged == self.cells.get(key, []):
            return False
        self.cells[key] = merged
        return True

    def save(self):
        self.storage.save(pickle.dumps(self.cells))

    async def put(self, key, value, context):
        vector = dict(context or {})
        vector[self.id] = self.join({}, vector, *(v for v, _ in self.cells.get(key, []))).get(self.id, 0) + 1
        self.merge(key, [(vector, value)])
        self.save()

    async def get(self, key):
        entries = self.cells.get(key, [])
        return [value for _, value in entries], self.join({}, *(vector for vector, _ in entries))

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            for peer in self.peers:
                self.net.send(peer, [(key, list(entries)) for key, entries in self.cells.items()])

    def receive(self, sender, message):
        if any([self.merge(key, entries) for key, entries in message]):
            self.save()


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Registers if mode == "CP" else VersionedValues)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
