"""Loses: causal. A context names the values that came with it, and not what those had replaced.

May lose: bounded"""

import ast
import asyncio
import hashlib
import random
import time


class Unavailable(Exception):
    pass


ZERO = (0, "", 0)


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.id, self.peers, self.net, self.storage, self.mode = id, list(peers), net, storage, mode
        raw = storage.load()
        self.boot, self.data = ast.literal_eval(raw.decode()) if raw else (0, {})
        self.boot += 1
        self.n = 0
        self.random = random.Random(f"{id}/{self.boot}")
        self.majority = (len(peers) + 1) // 2 + 1
        self.waiting = {}
        self.locks = {}
        self.save()
        if mode == "AP":
            self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(repr((self.boot if self.mode == "CP" else 0, self.data)).encode())

    async def put(self, key, value, context=None):
        if self.mode == "AP":
            return self.ap_put(key, value, context)
        self.n += 1
        await self.change(key, (self.boot, self.n), value)

    async def get(self, key):
        if self.mode == "AP":
            return self.ap_get(key)
        return await self.read(key), None

    def receive(self, sender, message):
        (self.ap_receive if self.mode == "AP" else self.cp_receive)(sender, *message)

    # --- CP. data: key -> (promised, accepted ballot, state); state = (value, {replica: last op})

    def acceptor(self, key):
        return self.data.get(key, (ZERO, ZERO, None))

    def handle(self, kind, key, ballot, state):
        promised, accepted, old = self.acceptor(key)
        if kind == "prepare":
            if ballot <= promised:
                return (False, promised, None)
            self.data[key] = (ballot, accepted, old)
            self.save()
            return (True, accepted, old)
        if kind == "accept":
            if ballot < promised:
                return (False, promised, None)
            if accepted != ballot:
                self.data[key] = (ballot, ballot, state)
                self.save()
            return (True, ballot, None)
        return (True, accepted, old)

    def cp_receive(self, sender, kind, op, *rest):
        if kind == "reply":
            if op in self.waiting:
                future, replies = self.waiting[op]
                replies[sender] = rest[0]
                self.look(future, replies)
        else:
            self.net.send(sender, ("reply", op, self.handle(kind, *rest)))

    def look(self, future, replies):
        if future.done():
            return
        good = sum(r[0] for r in replies.values())
        bad = len(replies) - good
        if good >= self.majority or bad > len(self.peers) + 1 - self.majority:
            future.set_result(None)

    async def ask(self, deadline, kind, key, ballot=None, state=None):
        """The good replies of a majority, or the highest ballot that was in the way."""
        self.n += 1
        op = (self.boot, self.n)
        future = asyncio.get_running_loop().create_future()
        replies = {}
        self.waiting[op] = future, replies
        try:
            replies[self.id] = self.handle(kind, key, ballot, state)
            self.look(future, replies)
            while not future.done():
                if time.monotonic() >= deadline:
                    raise Unavailable(key)
                for peer in self.peers:
                    if peer not in replies:
                        self.net.send(peer, (kind, op, key, ballot, state))
                await asyncio.wait({future}, timeout=min(0.21, max(0.01, deadline - time.monotonic())))
        finally:
            del self.waiting[op]
        good = [r for r in replies.values() if r[0]]
        return (good, None) if len(good) >= self.majority else (None, max(r[1] for r in replies.values() if not r[0]))

    async def rounds(self, key, deadline, change):
        high = self.acceptor(key)[0]
        while True:
            ballot = (max(high[0], self.acceptor(key)[0][0]) + 1, self.id, self.boot)
            good, high = await self.ask(deadline, "prepare", key, ballot)
            if good:
                state = max(good, key=lambda r: r[1])[2]
                state = change(state)
                if state is None:
                    return None
                good, high = await self.ask(deadline, "accept", key, ballot, state)
                if good:
                    return state
            await asyncio.sleep(self.random.uniform(0.02, 0.3))
            if time.monotonic() >= deadline:
                raise Unavailable(key)

    async def change(self, key, op, value):
        deadline = time.monotonic() + 2.8

        def change(state):
            last = state[1] if state else {}
            if last.get(self.id, (0, 0)) >= op:
                return state
            return (value, {**last, self.id: op})

        lock = self.locks.setdefault(key, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), max(0.0, deadline - time.monotonic()))
        except asyncio.TimeoutError:
            raise Unavailable(key) from None
        try:
            await self.rounds(key, deadline, change)
        finally:
            lock.release()

    async def read(self, key):
        deadline = time.monotonic() + 2.8
        good, _ = await self.ask(deadline, "read", key)
        _, ballot, state = max(good, key=lambda r: r[1])
        if state is None:
            return []
        if all(r[1] == ballot for r in good):
            return [state[0]]
        good, high = await self.ask(deadline, "accept", key, ballot, state)
        if not good:
            state = await self.rounds(key, deadline, lambda s: s)
        return [state[0]]

    # --- AP. data: key -> {dot: (clock, value)}; clock: what the put had seen, {replica: n}

    @staticmethod
    def top(items):
        clock = {}
        for dot, (seen, _) in items.items():
            for r, n in (dot, *seen.items()):
                clock[r] = max(n, clock.get(r, 0))
        return clock

    def ap_get(self, key):
        items = self.data.get(key, {})
        return [v for _, v in items.values()], self.top({d: ({}, 0) for d in items})

    def ap_put(self, key, value, context):
        items = self.data.get(key, {})
        dot = (self.id, max(self.top(items).get(self.id, 0), (context or {}).get(self.id, 0)) + 1)
        self.data[key] = self.without({**items, dot: (dict(context or {}), value)})
        self.save()

    @staticmethod
    def without(items):
        """Only what no other has seen."""
        clocks = [c for c, _ in items.values()]
        return {d: i for d, i in items.items() if not any(c.get(d[0], 0) >= d[1] for c in clocks)}

    @staticmethod
    def digest(items):
        return hashlib.blake2b(repr(sorted(items)).encode(), digest_size=8).digest()

    def ap_receive(self, sender, kind, body):
        if kind == "digest":
            differ = {k: i for k, i in self.data.items() if body.get(k) != self.digest(i)}
            if differ:
                self.net.send(sender, ("items", differ))
            return
        before = dict(self.data)
        for key, items in body.items():
            self.data[key] = self.without({**self.data.get(key, {}), **items})
        if self.data != before:
            self.save()

    async def gossip(self):
        await asyncio.sleep(self.random.random())
        while True:
            for peer in self.peers:
                self.net.send(peer, ("digest", {k: self.digest(i) for k, i in self.data.items()}))
            await asyncio.sleep(1)
