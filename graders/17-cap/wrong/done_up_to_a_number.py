"""Loses: linearizable. A leader takes a put as done when it has done a later one of the same replica."""

import asyncio
import hashlib
import json
import base64
import random
import time


class Unavailable(Exception):
    pass


def enc(b):
    return base64.b64encode(b).decode("ascii")


def dec(s):
    return base64.b64decode(s)


class LeaderCP:
    BEAT = 0.15

    def __init__(self, me, peers, net, storage):
        self.me, self.peers, self.net, self.storage = me, peers, net, storage
        self.all = [me, *peers]
        self.need = len(self.all) // 2 + 1
        raw = storage.load()
        d = json.loads(raw) if raw else {"life": 0, "promised": [0, ""], "acc": [[0, ""], 0], "kv": {}, "done": []}
        self.life = d["life"] + 1
        self.promised = tuple(d["promised"])
        self.acc = (tuple(d["acc"][0]), d["acc"][1])
        self.kv = {k: dec(v) for k, v in d["kv"].items()}
        self.done = {tuple(x) for x in d["done"]}
        self.rng = random.Random(f"{me}/{self.life}")
        self.role = "follower"
        self.leader = None
        self.waiting = {}
        self.seq = 0
        self.dirty()
        self.reset()
        self.tasks = [asyncio.create_task(self.ticker())]

    def dirty(self):
        self.storage.save(json.dumps({
            "life": self.life, "promised": self.promised, "acc": self.acc,
            "kv": {k: enc(v) for k, v in self.kv.items()}, "done": sorted(self.done)}).encode())

    def reset(self):
        self.patience = time.monotonic() + self.rng.uniform(0.6, 1.4)

    async def ticker(self):
        while True:
            await asyncio.sleep(self.BEAT)
            now = time.monotonic()
            if self.role == "leader":
                if now - self.contact > 1.2:
                    self.role, self.leader = "follower", None
                    self.reset()
                else:
                    self.replicate()
            elif now > self.patience:
                self.campaign()

    # ---- election
    def campaign(self):
        self.role, self.leader = "candidate", None
        self.promised = (self.promised[0] + 1, self.me)
        self.ballot = self.promised
        self.dirty()
        self.promises = {self.me: (self.acc, dict(self.kv), set(self.done))}
        self.reset()
        for p in self.peers:
            self.net.send(p, ("prepare", self.ballot))

    def on_prepare(self, sender, ballot):
        if ballot > self.promised:
            self.step_down()
            self.promised = ballot
            self.dirty()
            self.reset()
        if ballot == self.promised and ballot[1] == sender:
            self.net.send(sender, ("promise", ballot, self.acc, dict(self.kv), set(self.done)))
        else:
            self.net.send(sender, ("nack", self.promised))

    def on_promise(self, sender, ballot, acc, kv, done):
        if self.role != "candidate" or ballot != self.ballot or self.promised != ballot:
            return
        self.promises[sender] = (acc, kv, done)
        if len(self.promises) < self.need:
            return
        acc, kv, done = max(self.promises.values(), key=lambda x: x[0])
        self.role, self.leader = "leader", self.me
        self.contact = time.monotonic()
        self.acks = {p: 0 for p in self.peers}
        self.replies = []  # (version, origin, rid, answer)
        self.started = {}
        self.kv, self.done = dict(kv), set(done)
        self.acc = (self.ballot, acc[1] + 1)
        self.dirty()
        self.replicate()

    def step_down(self):
        if self.role != "follower":
            self.role = "follower"
            self.reset()
        self.leader = None

    def on_nack(self, sender, promised):
        if promised > self.promised:
            self.step_down()
            self.promised = promised
            self.dirty()

    # ---- replication
    def replicate(self):
        for p in self.peers:
            self.net.send(p, ("accept", self.acc, dict(self.kv), set(self.done)))

    def on_accept(self, sender, acc, kv, done):
        ballot, version = acc
        if ballot < self.promised:
            self.net.send(sender, ("nack", self.promised))
            return
        if ballot > self.promised:
            self.step_down()
            self.promised = ballot
        self.role, self.leader = "follower", sender
        self.reset()
        if acc > self.acc:
            self.acc, self.kv, self.done = acc, dict(kv), set(done)
            self.dirty()
        self.net.send(sender, ("accepted", ballot, self.acc[1]))

    def on_accepted(self, sender, ballot, version):
        if self.role != "leader" or ballot != self.ballot or self.promised != ballot:
            return
        self.acks[sender] = max(self.acks[sender], version)
        fresh = sorted([self.acc[1], *self.acks.values()], reverse=True)[self.need - 1]
        self.heard = getattr(self, "heard", {})
        self.heard[sender] = time.monotonic()
        recent = sum(time.monotonic() - t < 1.0 for t in self.heard.values()) + 1
        if recent >= self.need:
            self.contact = time.monotonic()
        rest = []
        for item in self.replies:
            if item[0] <= fresh:
                self.answer(*item[1:])
            else:
                rest.append(item)
        self.replies = rest

    def answer(self, origin, rid, result):
        self.started.pop((origin, rid), None)
        if origin == self.me:
            self.on_result(origin, rid, result)
        else:
            self.net.send(origin, ("result", rid, result))

    # ---- calls
    def on_call(self, sender, rid, op):
        if self.role != "leader":
            return
        if (sender, rid) in self.started:
            return
        self.started[sender, rid] = True
        if op[0] == "put":
            if not any(d[:2] == rid[:2] and d[2] >= rid[2] for d in self.done):
                self.done.add(rid)
                self.kv[op[1]] = op[2]
            result = True
        else:
            result = [self.kv[op[1]]] if op[1] in self.kv else []
        # a read is a version of its own, too: it is answered once a majority has confirmed the leader
        self.acc = (self.ballot, self.acc[1] + 1)
        self.dirty()
        self.replies.append((self.acc[1], sender, rid, result))
        self.replicate()

    def on_result(self, sender, rid, result):
        fut = self.waiting.get(rid)
        if fut and not fut.done():
            fut.set_result(result)

    async def call(self, op):
        self.seq += 1
        rid = (self.me, self.life, self.seq)
        fut = self.waiting[rid] = asyncio.get_running_loop().create_future()
        end = time.monotonic() + 2.85
        try:
            while True:
                if self.role == "leader":
                    self.on_call(self.me, rid, op)
                elif self.leader is not None:
                    self.net.send(self.leader, ("call", rid, op))
                left = end - time.monotonic()
                if left <= 0:
                    raise Unavailable("no majority in time")
                await asyncio.wait([fut], timeout=min(left, 0.25))
                if fut.done():
                    return fut.result()
        finally:
            del self.waiting[rid]

    async def put(self, key, value, context):
        await self.call(("put", key, value))

    async def get(self, key):
        return await self.call(("get", key)), None

    def receive(self, sender, message):
        getattr(self, "on_" + message[0])(sender, *message[1:])


class GossipAP:
    """key -> [known: {replica: n}, values: {(replica, n): bytes}]; n counts the puts of that replica of all keys."""

    def __init__(self, me, peers, net, storage):
        self.me, self.peers, self.net, self.storage = me, peers, net, storage
        raw = storage.load()
        d = json.loads(raw) if raw else {"n": 0, "keys": []}
        self.n = d["n"]
        self.keys = {k: (dict(known), {(r, n): dec(v) for r, n, v in vals}) for k, known, vals in d["keys"]}
        self.tasks = [asyncio.create_task(self.ticker())]

    def dirty(self):
        self.storage.save(json.dumps({"n": self.n, "keys": [
            [k, known, [[r, n, enc(v)] for (r, n), v in vals.items()]]
            for k, (known, vals) in self.keys.items()]}).encode())

    async def put(self, key, value, context):
        known, vals = self.keys.get(key, ({}, {}))
        seen = dict(context or ())
        known = {r: max(known.get(r, 0), seen.get(r, 0)) for r in {**known, **seen}}
        vals = {(r, n): v for (r, n), v in vals.items() if n > seen.get(r, 0)}
        self.n += 1
        known[self.me] = self.n
        vals[self.me, self.n] = value
        self.keys[key] = (known, vals)
        self.dirty()

    async def get(self, key):
        known, vals = self.keys.get(key, ({}, {}))
        return list(vals.values()), tuple(sorted(known.items()))

    def digest(self):
        return {k: hashlib.md5(repr((sorted(a.items()), sorted(b))).encode()).hexdigest()[:12]
                for k, (a, b) in self.keys.items()}

    async def ticker(self):
        while True:
            await asyncio.sleep(0.9)
            d = self.digest()
            for p in self.peers:
                self.net.send(p, {"digest": d})

    def receive(self, sender, message):
        if "digest" in message:
            theirs, mine = message["digest"], self.digest()
            mydiff = {k: (dict(a), dict(b)) for k, (a, b) in self.keys.items() if theirs.get(k) != mine[k]}
            if mydiff:
                self.net.send(sender, {"state": mydiff})
        if "state" in message:
            changed = False
            for key, (ok, ov) in message["state"].items():
                mk, mv = self.keys.get(key, ({}, {}))
                vals = {}
                for dot in mv.keys() | ov.keys():
                    if dot in mv and dot in ov:
                        vals[dot] = mv[dot]
                    elif dot in mv and dot[1] > ok.get(dot[0], 0):
                        vals[dot] = mv[dot]
                    elif dot in ov and dot[1] > mk.get(dot[0], 0):
                        vals[dot] = ov[dot]
                known = {r: max(mk.get(r, 0), ok.get(r, 0)) for r in mk.keys() | ok.keys()}
                if (known, vals) != (mk, mv):
                    self.keys[key] = (known, vals)
                    changed = True
            if changed:
                self.dirty()


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.impl = (LeaderCP if mode == "CP" else GossipAP)(id, list(peers), net, storage)

    async def put(self, key, value, context=None):
        await self.impl.put(key, value, context)

    async def get(self, key):
        return await self.impl.get(key)

    def receive(self, sender, message):
        self.impl.receive(sender, message)
