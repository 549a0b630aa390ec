"""CP: an elected leader with a replicated log, as in Raft; reads go through the log. AP: each sibling carries its past.

Contexts are JSON text.
"""

import ast
import asyncio
import contextlib
import json
import random
import time

HEARTBEAT = 0.15
RESEND = 0.25
GIVE_UP = 2.8


class Unavailable(Exception):
    pass


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.inner = (Leading if mode == "CP" else Gossiping)(id, peers, net, storage)
        self.put = self.inner.put
        self.get = self.inner.get

    async def put(self, key, value, context=None):
        return await self.inner.put(key, value, context)

    async def get(self, key):
        return await self.inner.get(key)

    async def receive(self, sender, message):
        getattr(self.inner, "on_" + message[0])(sender, *message[1:])


class Leading:
    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, peers, net, storage
        saved = storage.load()
        # log: [term, operation id, "put" | "get" | "nothing", key, value]
        self.life, self.term, self.vote, self.log = ast.literal_eval(saved.decode()) if saved else (0, 0, None, [])
        self.life += 1
        self.random = random.Random(f"{id} {self.life}")
        self.patience = 0.6 + 0.3 * sorted([id, *peers]).index(id)
        self.role, self.leader, self.votes = "follower", None, set()
        self.commit = 0
        self.values, self.results = {}, {}
        self.next, self.match = {}, {}
        self.serial = 0
        self.waiting = {}
        self.save()
        self.postpone()
        self.task = asyncio.create_task(self.tick())

    def save(self):
        self.storage.save(repr((self.life, self.term, self.vote, self.log)).encode())

    def majority(self):
        return (len(self.peers) + 1) // 2 + 1

    # ---- clients

    async def put(self, key, value, context=None):
        await self.run("put", key, value)

    async def get(self, key):
        value = await self.run("get", key, None)
        return ([] if value is None else [value]), None

    async def run(self, what, key, value):
        self.serial += 1
        op = (self.id, self.life, self.serial)
        self.waiting[op] = future = asyncio.get_running_loop().create_future()
        until = time.monotonic() + GIVE_UP
        try:
            while not future.done() and time.monotonic() < until:
                if self.role == "leader":
                    self.on_op(self.id, op, what, key, value)
                elif self.leader:
                    self.net.send(self.leader, ("op", op, what, key, value))
                await asyncio.wait([future], timeout=min(RESEND, max(0, until - time.monotonic())))
            if not future.done():
                raise Unavailable("no leader has decided it in time")
            return future.result()
        finally:
            del self.waiting[op]

    def on_op(self, sender, op, what, key, value):
        if self.role != "leader":
            return
        if op in self.results:
            self.tell(op)
        elif all(entry[1] != op for entry in self.log):
            self.log.append((self.term, op, what, key, value))
            self.save()
            self.send_log()

    def tell(self, op):
        if op[0] == self.id:
            self.on_done(self.id, op, self.results[op])
        else:
            self.net.send(op[0], ("done", op, self.results[op]))

    def on_done(self, sender, op, result):
        future = self.waiting.get(op)
        if future is not None and not future.done():
            future.set_result(result)

    # ---- elections

    def postpone(self):
        self.deadline = time.monotonic() + self.patience + self.random.uniform(0, 0.1)

    async def tick(self):
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.role == "leader":
                self.send_log()
            elif time.monotonic() >= self.deadline:
                self.role, self.leader = "candidate", None
                self.term, self.vote, self.votes = self.term + 1, self.id, {self.id}
                self.save()
                self.postpone()
                for peer in self.peers:
                    self.net.send(peer, ("elect", self.term, self.last()))

    def last(self):
        return (self.log[-1][0] if self.log else 0, len(self.log))

    def see(self, term):
        if term > self.term:
            self.term, self.vote, self.role, self.leader = term, None, "follower", None
            self.save()

    def on_elect(self, sender, term, last):
        self.see(term)
        if term == self.term and self.vote in (None, sender) and last >= self.last():
            self.vote = sender
            self.save()
            self.postpone()
            self.net.send(sender, ("elected", term))

    def on_elected(self, sender, term):
        if term != self.term or self.role != "candidate":
            return
        self.votes.add(sender)
        if len(self.votes) >= self.majority():
            self.role, self.leader = "leader", self.id
            self.next = dict.fromkeys(self.peers, 0)
            self.match = dict.fromkeys(self.peers, 0)
            self.log.append((self.term, ("", 0, self.term), "nothing", None, None))
            self.save()
            self.send_log()

    # ---- the log

    def send_log(self):
        for peer in self.peers:
            start = self.next[peer]
            before = self.log[start - 1][0] if start else 0
            self.net.send(peer, ("append", self.term, start, before, self.log[start:], self.commit))

    def on_append(self, sender, term, start, before, entries, commit):
        self.see(term)
        if term < self.term:
            self.net.send(sender, ("appended", self.term, None))
            return
        self.role, self.leader = "follower", sender
        self.postpone()
        if start > len(self.log) or (start and self.log[start - 1][0] != before):
            self.net.send(sender, ("appended", term, None))
            return
        changed = False
        for index, entry in enumerate(entries, start):
            if index < len(self.log) and self.log[index][0] != entry[0]:
                del self.log[index:]
            if index >= len(self.log):
                self.log.append(entry)
                changed = True
        if changed:
            self.save()
        self.advance(min(commit, start + len(entries)))
        self.net.send(sender, ("appended", term, start + len(entries)))

    def on_appended(self, sender, term, upto):
        self.see(term)
        if self.role != "leader" or term != self.term:
            return
        if upto is None:
            self.next[sender] = 0
            return
        self.match[sender] = max(self.match[sender], upto)
        self.next[sender] = self.match[sender]
        held = sorted([len(self.log), *self.match.values()], reverse=True)[self.majority() - 1]
        if held > self.commit and self.log[held - 1][0] == self.term:
            self.advance(held)

    def advance(self, commit):
        while self.commit < commit:
            _, op, what, key, value = self.log[self.commit]
            self.commit += 1
            if what == "put":
                self.values[key] = value
            self.results[op] = self.values.get(key) if what == "get" else None
            if self.role == "leader" and what != "nothing":
                self.tell(op)


class Gossiping:
    """By key a list of siblings (replica, count, past, value): `past` has the highest count of each replica before it."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, peers, net, storage
        saved = storage.load()
        self.keys = ast.literal_eval(saved.decode()) if saved else {}
        self.task = asyncio.create_task(self.gossip())

    async def put(self, key, value, context=None):
        siblings = self.keys.get(key, [])
        past = json.loads(context) if context else {}
        count = 1 + max(past.get(self.id, 0), self.all_of(siblings).get(self.id, 0))
        self.keys[key] = self.without_old([*siblings, (self.id, count, past, value)])
        self.save()

    async def get(self, key):
        siblings = self.keys.get(key, [])
        return tuple(value for *_, value in siblings), json.dumps(self.all_of(siblings))

    def on_news(self, sender, keys):
        for key, theirs in keys.items():
            held = self.keys.get(key, [])
            dots = {sibling[:2] for sibling in held}
            seen = self.all_of(held)
            new = [each for each in theirs if each[:2] not in dots and seen.get(each[0], 0) < each[1]]
            if new:
                self.keys[key] = self.without_old([*held, *new])
                self.save()

    @staticmethod
    def without_old(siblings):
        return [s for s in siblings if not any(other[2].get(s[0], 0) >= s[1] for other in siblings)]

    @staticmethod
    def all_of(siblings):
        seen = {}
        for replica, count, past, _ in siblings:
            for who, most in [*past.items(), (replica, count)]:
                seen[who] = max(seen.get(who, 0), most)
        return seen

    def save(self):
        self.storage.save(repr(self.keys).encode())

    async def gossip(self):
        while True:
            await asyncio.sleep(0.5)
            for peer in self.peers:
                self.net.send(peer, ("news", self.keys))
