"""Loses: bounded. For a peer that does not answer it keeps each put on the disk."""

import asyncio
import itertools
import pickle
import time

DEADLINE = 2.8
RESEND = 0.2
GOSSIP = 0.5


class Unavailable(Exception):
    pass


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.id, self.peers, self.net, self.storage, self.mode = id, list(peers), net, storage, mode
        self.majority = (len(self.peers) + 1) // 2 + 1
        raw = storage.load()
        self.life, self.data, self.hints = pickle.loads(raw) if raw is not None else (0, {}, {p: [] for p in self.peers})
        self.life += 1
        self.counter = itertools.count(1)
        self.pending = {}
        self.save()
        if mode == "AP":
            self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(pickle.dumps((self.life, self.data, self.hints)))

    # ------------------------------------------------------------------ API
    async def put(self, key, value, context=None):
        if self.mode == "AP":
            self.ap_put(key, value, context)
            return
        end = time.monotonic() + DEADLINE
        answers = await self.ask("read", (key,), end)
        top = max(tag for tag, _ in answers)
        tag = (top[0] + 1, self.id, self.life, next(self.counter))
        await self.ask("write", (key, tag, value), end)

    async def get(self, key):
        if self.mode == "AP":
            clock, values = self.data.get(key, ({}, {}))
            return list(values.values()), dict(clock)
        end = time.monotonic() + DEADLINE
        answers = await self.ask("read", (key,), end)
        tag, value = max(answers, key=lambda a: a[0])
        if tag[0] == 0:
            return [], None
        if any(t != tag for t, _ in answers):
            await self.ask("write", (key, tag, value), end)
        return [value], None

    # ------------------------------------------------------------------ CP
    def serve(self, kind, args):
        if kind == "read":
            return self.data.get(args[0], ((0, "", 0, 0), None))
        key, tag, value = args
        if key not in self.data or self.data[key][0] < tag:
            self.data[key] = (tag, value)
            self.save()
        return None

    async def ask(self, kind, args, end):
        rid = (self.life, next(self.counter))
        done = asyncio.get_running_loop().create_future()
        answers = {self.id: self.serve(kind, args)}
        self.pending[rid] = (answers, done)
        try:
            while True:
                for p in self.peers:
                    if p not in answers:
                        self.net.send(p, ("ask", rid, kind, args))
                left = end - time.monotonic()
                if left <= 0:
                    raise Unavailable
                await asyncio.wait([done], timeout=min(RESEND, left))
                if done.done():
                    return list(answers.values())
        finally:
            del self.pending[rid]

    async def receive(self, sender, message):
        if message[0] == "ask":
            _, rid, kind, args = message
            self.net.send(sender, ("answer", rid, self.serve(kind, args)))
        elif message[0] == "answer":
            _, rid, answer = message
            if rid in self.pending:
                answers, done = self.pending[rid]
                if not done.done():
                    answers[sender] = answer
                    if len(answers) >= self.majority:
                        done.set_result(None)
        elif message[0] == "state":
            self.ap_merge(message[1])
            self.net.send(sender, ("got", message[2]))
        elif message[0] == "got":
            if self.hints[sender] and message[1] == (self.life, self.hints[sender][-1][0]):
                self.hints[sender].clear()
                self.save()

    # ------------------------------------------------------------------ AP
    def ap_put(self, key, value, context):
        clock, values = self.data.get(key, ({}, {}))
        clock = dict(clock)
        ctx = context or {}
        values = {d: v for d, v in values.items() if d[1] > ctx.get(d[0], 0)}
        for r, n in ctx.items():
            clock[r] = max(clock.get(r, 0), n)
        clock[self.id] = clock.get(self.id, 0) + 1
        values[self.id, clock[self.id]] = value
        self.data[key] = (clock, values)
        for p in self.peers:
            self.hints[p].append((next(self.counter), {key: (clock, {(self.id, clock[self.id]): value})}))
        self.save()
        self.push()

    def ap_merge(self, other):
        changed = False
        for key, (oc, ov) in other.items():
            mc, mv = self.data.get(key, ({}, {}))
            values = {d: v for d, v in mv.items() if d in ov or d[1] > oc.get(d[0], 0)}
            values |= {d: v for d, v in ov.items() if d in mv or d[1] > mc.get(d[0], 0)}
            clock = {r: max(mc.get(r, 0), oc.get(r, 0)) for r in mc.keys() | oc.keys()}
            if (clock, values) != (mc, mv):
                self.data[key] = (clock, values)
                changed = True
        if changed:
            self.save()

    def push(self):
        for p in self.peers:
            self.net.send(p, ("state", self.data, (self.life, self.hints[p][-1][0] if self.hints[p] else 0)))

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            self.push()
