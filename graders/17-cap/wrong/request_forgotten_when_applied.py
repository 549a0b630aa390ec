"""Loses: lossy. The leader knows a forwarded put by its number only until it is applied, so a copy that is resent or comes twice after that is applied again.

May lose: linearizable, indefinite, minority, one-way"""
import asyncio
import pickle
import random
import time

CALL_LIMIT = 2.8
RESEND = 0.25
BEAT = 0.1
ELECTION = (0.8, 1.6)
SNAPSHOT_AFTER = 64
GOSSIP = 1.0


class Unavailable(Exception):
    """A CP replica can't reach a majority in time. Whether a put took effect is unknown."""


class Raft:
    """Operations are ("put" or "get", origin, number, key, value)."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        self.majority = (len(peers) + 1) // 2 + 1
        self.rng = random.Random(id)
        self.boot, self.term, self.vote, self.base, self.base_term, self.log = 0, 0, None, 0, 0, []
        self.snapshot = {}  # what keys hold after entry number `base`
        saved = storage.load()
        if saved is not None:
            (self.boot, self.term, self.vote, self.base, self.base_term, self.snapshot, self.log) = pickle.loads(saved)
        self.boot += 1
        self.save()
        self.restore()
        self.serial, self.open = 0, {}
        self.role, self.leader, self.heard_leader = "follower", None, float("-inf")
        self.next_beat = 0.0
        self.wait_again()
        self.task = asyncio.create_task(self.tick())

    def save(self):
        self.storage.save(pickle.dumps(
            (self.boot, self.term, self.vote, self.base, self.base_term, self.snapshot, self.log)))

    def restore(self):
        self.kv = dict(self.snapshot)
        self.commit = self.applied = self.base

    # Calls

    async def call(self, kind, key, value=None):
        deadline = time.monotonic() + CALL_LIMIT
        self.serial += 1
        number = (self.boot, self.serial)
        self.open[number] = answer = asyncio.get_running_loop().create_future()
        op = (kind, self.id, number, key, value)
        try:
            while (left := deadline - time.monotonic()) > 0:
                if self.role == "leader":
                    self.propose(op)
                elif self.leader is not None:
                    self.net.send(self.leader, ("op", op))
                await asyncio.wait([answer], timeout=min(RESEND, left))
                if answer.done():
                    return answer.result()
            raise Unavailable("no leader with a majority has answered")
        finally:
            del self.open[number]

    async def put(self, key, value, context):
        await self.call("put", key, value)

    async def get(self, key):
        return await self.call("get", key), None

    # The leader

    def propose(self, op):
        kind, origin, number = op[:3]
        if any(o is not None and o[1:3] == (origin, number) for _, o in self.log[self.applied - self.base:]):
            return
        self.log.append((self.term, op))
        self.save()
        self.broadcast()

    def answer(self, origin, number, values):
        if origin != self.id:
            self.net.send(origin, ("result", number, values))
        elif number in self.open and not self.open[number].done():
            self.open[number].set_result(values)

    def broadcast(self):
        self.next_beat = time.monotonic() + BEAT
        for peer in self.peers:
            self.send_log(peer)

    def send_log(self, peer):
        first = self.next[peer]
        if first <= self.base:
            state = pickle.dumps(self.snapshot)
            self.net.send(peer, ("snapshot", self.term, self.base, self.base_term, state))
        else:
            entries = self.log[first - self.base - 1:]
            self.net.send(peer, ("append", self.term, first - 1, self.term_at(first - 1), entries, self.commit))

    def on_ack(self, sender, term, ok, index):
        if term != self.term or self.role != "leader":
            return
        self.heard[sender] = time.monotonic()
        if not ok:
            self.next[sender] = max(self.match[sender] + 1, min(self.next[sender] - 1, index + 1))
            self.send_log(sender)
            return
        self.match[sender] = max(self.match[sender], index)
        self.next[sender] = self.match[sender] + 1
        stored = sorted([*self.match.values(), self.last()], reverse=True)[self.majority - 1]
        if stored > self.commit and self.term_at(stored) == self.term:
            self.commit = stored
            self.apply()

    # Every replica

    def last(self):
        return self.base + len(self.log)

    def term_at(self, index):
        return self.base_term if index == self.base else self.log[index - self.base - 1][0]

    def wait_again(self):
        self.election_at = time.monotonic() + self.rng.uniform(*ELECTION)

    def follow(self, term, leader=None):
        if term > self.term:
            self.term, self.vote = term, None
            self.save()
        self.role, self.leader = "follower", leader

    async def tick(self):
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            if self.role == "leader":
                if sum(now - at < 1.5 for at in self.heard.values()) + 1 < self.majority:
                    self.follow(self.term)
                    self.wait_again()
                elif now >= self.next_beat:
                    self.broadcast()
            elif now >= self.election_at:
                self.leader = None
                self.canvass(real=False)

    def canvass(self, real):
        """Ask for votes; first without meaning it, so that a replica that was cut off doesn't disturb the others."""
        self.wait_again()
        if real:
            self.term, self.vote = self.term + 1, self.id
            self.save()
        self.role = "candidate" if real else "follower"
        self.polled, self.votes = (self.term if real else self.term + 1, real), {self.id}
        for peer in self.peers:
            self.net.send(peer, ("poll", *self.polled, self.term_at(self.last()), self.last()))

    def on_poll(self, sender, term, real, last_term, last):
        if real and term > self.term:
            self.follow(term)
        fresh = (last_term, last) >= (self.term_at(self.last()), self.last())
        if real:
            granted = term == self.term and self.vote in (None, sender) and fresh
            if granted:
                self.vote = sender
                self.save()
                self.wait_again()
        else:
            quiet = self.role != "leader" and time.monotonic() - self.heard_leader >= ELECTION[0]
            granted = term > self.term and fresh and quiet
        self.net.send(sender, ("ballot", self.term, term, real, granted))

    def on_ballot(self, sender, their_term, term, real, granted):
        if their_term > self.term:
            self.follow(their_term)
        elif granted and self.role != "leader" and (term, real) == getattr(self, "polled", None):
            if term != (self.term if real else self.term + 1) or (real and self.role != "candidate"):
                return
            self.votes.add(sender)
            if len(self.votes) >= self.majority:
                if not real:
                    self.canvass(real=True)
                    return
                self.role, self.leader = "leader", self.id
                self.next = {peer: self.last() + 1 for peer in self.peers}
                self.match = {peer: 0 for peer in self.peers}
                self.heard = {peer: time.monotonic() for peer in self.peers}
                self.log.append((self.term, None))
                self.save()
                self.broadcast()

    def on_append(self, sender, term, prev, prev_term, entries, commit):
        if not self.heed(sender, term):
            return
        if prev < self.base:
            entries = entries[self.base - prev:]
            prev, prev_term = self.base, self.base_term
        if prev > self.last() or self.term_at(prev) != prev_term:
            self.net.send(sender, ("ack", self.term, False, max(self.base, min(prev - 1, self.last()))))
            return
        for offset, entry in enumerate(entries):
            index = prev + 1 + offset
            if index > self.last() or self.term_at(index) != entry[0]:
                del self.log[index - self.base - 1:]
                self.log.extend(entries[offset:])
                self.save()
                break
        self.commit = max(self.commit, min(commit, prev + len(entries)))
        self.apply()
        self.net.send(sender, ("ack", self.term, True, prev + len(entries)))

    def on_snapshot(self, sender, term, base, base_term, state):
        if not self.heed(sender, term):
            return
        if base > self.commit:
            self.base, self.base_term, self.log, self.snapshot = base, base_term, [], pickle.loads(state)
            self.save()
            self.restore()
        self.net.send(sender, ("ack", self.term, True, base))

    def heed(self, sender, term):
        if term < self.term:
            self.net.send(sender, ("ballot", self.term, 0, False, False))
            return False
        self.follow(term, sender)
        self.heard_leader = time.monotonic()
        self.wait_again()
        return True

    def apply(self):
        while self.applied < self.commit:
            self.applied += 1
            op = self.log[self.applied - self.base - 1][1]
            if op is None:
                continue
            kind, origin, number, key, value = op
            if kind == "put":
                self.kv[key] = value
            if self.role == "leader":
                self.answer(origin, number, [self.kv[key]] if kind == "get" and key in self.kv else [])
        if self.applied - self.base > SNAPSHOT_AFTER:
            self.base_term = self.term_at(self.applied)
            del self.log[:self.applied - self.base]
            self.base = self.applied
            self.snapshot = dict(self.kv)
            self.save()

    def receive(self, sender, message):
        kind, *body = message
        if kind == "op":
            if self.role == "leader":
                self.propose(body[0])
        elif kind == "result":
            self.answer(self.id, *body)
        else:
            getattr(self, "on_" + kind)(sender, *body)


class Baskets:
    """Each key is (vector, live): all dots ever heard of as a version vector, and the values not replaced, by dot."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
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
        self.save()

    async def get(self, key):
        vector, live = self.cells.get(key, ({}, {}))
        return list(live.values()), dict(vector)

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            if self.cells:
                for peer in self.peers:
                    self.net.send(peer, {key: (dict(v), dict(live)) for key, (v, live) in self.cells.items()})

    def receive(self, sender, message):
        changed = False
        for key, (vector, live) in message.items():
            mine, kept = self.cells.get(key, ({}, {}))
            merged = {d: v for d, v in kept.items() if d in live or d[1] > vector.get(d[0], 0)}
            merged.update((d, v) for d, v in live.items() if d in kept or d[1] > mine.get(d[0], 0))
            joined = self.join(mine, vector)
            if joined != mine or merged.keys() != kept.keys():
                self.cells[key] = (joined, merged)
                changed = True
        if changed:
            self.save()


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Raft if mode == "CP" else Baskets)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
