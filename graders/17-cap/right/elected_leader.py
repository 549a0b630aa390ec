"""Design: CP has an elected leader with epochs, to whom calls are handed on; AP keeps for each peer what it has acknowledged, and sends what is new."""

import asyncio, base64, json, pickle, random, time, zlib
from dataclasses import dataclass


class Unavailable(Exception):
    pass


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.engine = (Cp if mode == "CP" else Ap)(id, list(peers), net, storage)

    async def put(self, key, value, context=None):
        await self.engine.put(key, bytes(value), context)

    async def get(self, key):
        return await self.engine.get(key)

    async def receive(self, sender, message):
        self.engine.receive(sender, message)


class Cp:
    """An elected leader with epochs. Others hand their calls on to it, bound to its epoch."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, peers, net, storage
        self.need = (len(peers) + 1) // 2 + 1
        self.rng = random.Random(id)
        raw = storage.load()
        # promised: the epoch (n, id); cells: key -> ((epoch), seq, value)
        self.boot, self.promised, self.cells = pickle.loads(raw) if raw else (0, (0, ""), {})
        self.boot += 1
        self.save()
        self.too_old = self.promised           # of these epochs I may have forgotten what I did as their leader
        self.n = 0
        self.waiting = {}                      # rid -> collector
        self.leading = None                    # my epoch, once it serves
        self.leader = None                     # (epoch) of the leader that I hear
        self.heard = time.monotonic()
        self.acks = {}
        self.bump = None
        self.ops = {}                          # what was handed to me: op id -> result or task
        self.mine = {}                         # what I have handed on: op id -> future
        self.seq = 0
        self.committed = {}
        self.tasks = {asyncio.create_task(self.ticking())}

    def save(self):
        self.storage.save(pickle.dumps((self.boot, self.promised, self.cells)))

    def spawn(self, coro):
        t = asyncio.create_task(coro)
        self.tasks.add(t)
        t.add_done_callback(self.tasks.discard)
        return t

    # -- what an acceptor does
    def accept(self, kind, body):
        if kind == "prevote":
            ok = body >= self.promised and time.monotonic() - self.heard > 0.6 and self.leading is None
            return ok, None
        if kind == "prepare":
            if body <= self.promised:
                return False, self.promised
            self.promised = body
            self.save()
            if self.leading is not None and self.leading < body:
                self.leading = None
            return True, dict(self.cells)
        epoch = body[0]
        if epoch < self.promised:
            return False, self.promised
        changed = epoch > self.promised
        self.promised = epoch
        if self.leading is not None and self.leading < epoch:
            self.leading = None
        if kind in ("sync", "write"):
            for k, cell in body[1].items():
                if k not in self.cells or self.cells[k][:2] < cell[:2]:
                    self.cells[k] = cell
                    changed = True
        if changed:
            self.save()
        return True, None

    def receive(self, sender, m):
        kind = m[0]
        if kind == "req":
            _, rid, what, body = m
            self.net.send(sender, ("rep", rid) + self.accept(what, body))
        elif kind == "rep":
            w = self.waiting.get(m[1])
            if w:
                self.count(w, sender, m[2], m[3])
        elif kind == "beat":
            if m[1] >= self.promised:
                if m[1] > self.promised:
                    self.promised = m[1]
                    self.save()
                if self.leading is not None and self.leading < m[1]:
                    self.leading = None
                if self.leading is None:
                    self.leader = m[1]
                    self.heard = time.monotonic()
                self.net.send(sender, ("beaten", m[1]))
            else:
                self.net.send(sender, ("stale", m[1], self.promised))
        elif kind == "stale":
            if m[1] == self.leading:
                self.leading, self.bump = None, m[2][0]      # take the straggler along into a new epoch
        elif kind == "beaten":
            if m[1] == self.leading:
                self.acks[sender] = time.monotonic()
        elif kind == "op":
            self.handed(sender, *m[1:])
        elif kind == "done":
            f = self.mine.get(m[1])
            if f and not f.done():
                f.set_result(m[2:])

    def count(self, w, sender, ok, more):
        w["got"][sender] = (ok, more)
        if sum(a for a, _ in w["got"].values()) >= self.need or not all(
                a for a, _ in w["got"].values()) and sum(not a for a, _ in w["got"].values()) > len(self.peers) + 1 - self.need:
            w["event"].set()

    async def ask(self, what, body, until):
        self.n += 1
        rid = (self.boot, self.n)
        w = self.waiting[rid] = {"got": {}, "event": asyncio.Event()}
        try:
            self.count(w, self.id, *self.accept(what, body))
            while not w["event"].is_set():
                left = until - time.monotonic()
                if left <= 0:
                    return None
                for p in self.peers:
                    if p not in w["got"]:
                        self.net.send(p, ("req", rid, what, body))
                try:
                    await asyncio.wait_for(w["event"].wait(), min(left, 0.2))
                except asyncio.TimeoutError:
                    pass
            yes = [m for a, m in w["got"].values() if a]
            return yes if len(yes) >= self.need else None
        finally:
            del self.waiting[rid]

    # -- elections
    async def ticking(self):
        patience = 0.8 + 0.8 * self.rng.random()
        beat = 0.0
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            if self.leading is not None:
                if now - beat >= 0.099:
                    beat = now
                    for p in self.peers:
                        self.net.send(p, ("beat", self.leading))
                fresh = 1 + sum(now - self.acks.get(p, -9) < 1.2 for p in self.peers)
                if fresh < self.need:
                    self.leading = None
                    self.heard = now
            elif self.bump is not None or now - self.heard > patience:
                self.leader = None
                await self.campaign()
                self.heard = max(self.heard, time.monotonic() - 0.7)
                patience = 0.8 + 0.8 * self.rng.random()

    async def campaign(self):
        bump, self.bump = self.bump, None
        epoch = (max(self.promised[0], bump or 0) + 1, self.id)
        if bump is None and await self.ask("prevote", epoch, time.monotonic() + 0.5) is None:
            return
        if epoch <= self.promised:
            return
        cells = await self.ask("prepare", epoch, time.monotonic() + 0.8)
        if cells is None or self.promised != epoch:
            return
        merged = {}
        for c in cells:
            for k, cell in c.items():
                if k not in merged or merged[k][:2] < cell[:2]:
                    merged[k] = cell
        # all of it anew, under the new epoch
        self.seq = 0
        merged = {k: (epoch, 0, cell[2]) for k, cell in merged.items()}
        if await self.ask("sync", (epoch, merged), time.monotonic() + 1.0) is None or self.promised != epoch:
            return
        self.committed = dict(merged)
        self.leading = self.leader = epoch
        now = time.monotonic()
        self.acks = {p: now for p in self.peers}

    # -- calls
    async def lead(self, epoch, kind, key, value, until):
        if kind == "put":
            self.seq += 1
            cell = (epoch, self.seq, value)
            if await self.ask("write", (epoch, {key: cell}), until) is None:
                return ("failed",)
            old = self.committed.get(key)
            if old is None or old[:2] < cell[:2]:
                self.committed[key] = cell
            return ("ok", None)
        if await self.ask("check", (epoch,), until) is None:
            return ("failed",)
        cell = self.committed.get(key)
        if self.leading != epoch:
            return ("failed",)
        return ("ok", None if cell is None else cell[2])

    def handed(self, sender, opid, epoch, kind, key, value):
        full = (sender, opid)
        if full in self.ops:
            if isinstance(self.ops[full], tuple):
                self.net.send(sender, ("done", opid) + self.ops[full])
            return
        if epoch != self.leading:
            if epoch > self.too_old:
                # never begun, and never will be: my epochs don't come back
                if self.leading is not None or self.promised > epoch:
                    self.net.send(sender, ("done", opid, "elsewhere"))
            return
        self.ops[full] = None

        async def run():
            r = await self.lead(epoch, kind, key, value, time.monotonic() + 2.5)
            self.ops[full] = r
            self.net.send(sender, ("done", opid) + r)
            if len(self.ops) > 5000:
                for k in list(self.ops)[:1000]:
                    self.ops.pop(k)

        self.spawn(run())

    async def call(self, kind, key, value=None):
        until = time.monotonic() + 2.9
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise Unavailable
            if self.leading is not None:
                r = await self.lead(self.leading, kind, key, value, until)
                if r[0] == "ok":
                    return r[1]
                if kind == "put":
                    raise Unavailable
                continue
            if self.leader is None or self.leader[1] == self.id:
                await asyncio.sleep(min(left, 0.05))
                continue
            epoch, self.n = self.leader, self.n + 1
            opid = (self.boot, self.n)
            f = self.mine[opid] = asyncio.get_running_loop().create_future()
            try:
                r = None
                while r is None:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise Unavailable
                    if kind == "get" and self.leader != epoch:
                        break
                    self.net.send(epoch[1], ("op", opid, epoch, kind, key, value))
                    try:
                        r = await asyncio.wait_for(asyncio.shield(f), min(left, 0.25))
                    except asyncio.TimeoutError:
                        pass
            finally:
                del self.mine[opid]
            if r is None:
                continue
            if r[0] == "ok":
                return r[1]
            if r[0] == "failed" and kind == "put":
                raise Unavailable
            await asyncio.sleep(0.02)
            if self.leader == epoch:
                await asyncio.sleep(0.1)

    async def put(self, key, value, context=None):
        await self.call("put", key, value)

    async def get(self, key):
        v = await self.call("get", key)
        return ([] if v is None else [v]), None




class Ap:
    """Deltas with acknowledgements: each peer is sent what it hasn't acknowledged, and else nothing at all."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, peers, net, storage
        raw = storage.load()
        self.boot, self.keys = pickle.loads(raw) if raw else (0, {})        # key -> (vv, {dot: value})
        self.boot += 1
        self.save()
        self.seq = 1
        self.changed = {k: 1 for k in self.keys}       # key -> when it changed last
        self.acked = {p: 0 for p in peers}
        self.tasks = [asyncio.create_task(self.feed(p)) for p in peers]

    def save(self):
        self.storage.save(pickle.dumps((self.boot, self.keys)))

    def touch(self, key):
        self.seq += 1
        self.changed[key] = self.seq

    async def put(self, key, value, context):
        vv, dots = self.keys.get(key, ({}, {}))
        seen = pickle.loads(context) if context else {}
        n = max(vv.get(self.id, 0), seen.get(self.id, 0)) + 1
        dots = {d: v for d, v in dots.items() if d[1] > seen.get(d[0], 0)}
        dots[self.id, n] = value
        vv = {r: max(vv.get(r, 0), seen.get(r, 0)) for r in {*vv, *seen}}
        vv[self.id] = n
        self.keys[key] = (vv, dots)
        self.touch(key)
        self.save()

    async def get(self, key):
        vv, dots = self.keys.get(key, ({}, {}))
        return list(dots.values()), pickle.dumps(vv)

    def receive(self, sender, m):
        if m[0] == "ack":
            if m[1] == self.boot:
                self.acked[sender] = max(self.acked[sender], m[2])
            return
        _, boot, seq, delta = m
        dirty = False
        for key, (vv2, dots2) in delta.items():
            vv, dots = self.keys.get(key, ({}, {}))
            new = {d: v for d, v in dots.items() if d in dots2 or d[1] > vv2.get(d[0], 0)}
            new.update({d: v for d, v in dots2.items() if d in dots or d[1] > vv.get(d[0], 0)})
            joined = {r: max(vv.get(r, 0), vv2.get(r, 0)) for r in {*vv, *vv2}}
            if joined != vv or new != dots:
                self.keys[key] = (joined, new)
                self.touch(key)
                dirty = True
        if dirty:
            self.save()
        self.net.send(sender, ("ack", boot, seq))

    async def feed(self, p):
        while True:
            delta = {k: self.keys[k] for k, at in self.changed.items() if at > self.acked[p]}
            if delta:
                self.net.send(p, ("delta", self.boot, self.seq, delta))
            await asyncio.sleep(0.5)
