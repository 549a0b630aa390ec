"""Loses: converge. News go out every six seconds.

May lose: one-way"""

import asyncio
import pickle
import time


class Unavailable(Exception):
    pass


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.id, self.peers, self.net, self.storage, self.mode = id, list(peers), net, storage, mode
        raw = storage.load()
        if raw is None:
            self.boot, self.data = 0, {}
        else:
            self.boot, self.data = pickle.loads(raw)
        self.majority = (len(peers) + 1) // 2 + 1
        if mode == "CP":
            self.boot += 1
            self.save()
            self.count = 0
            self.calls = {}  # op -> (replies, event)
        else:
            self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(pickle.dumps((self.boot, self.data)))

    async def put(self, key, value, context=None):
        if self.mode == "CP":
            await self.cp_put(key, value)
        else:
            self.ap_put(key, value, context)

    async def get(self, key):
        if self.mode == "CP":
            return await self.cp_get(key)
        return self.ap_get(key)

    async def receive(self, sender, message):
        if self.mode == "CP":
            self.cp_receive(sender, message)
        else:
            self.ap_receive(sender, message)

    # ---- CP: multi-writer ABD. data: key -> (stamp, value); stamp = (n, id, boot, count)

    def unique(self):
        self.count += 1
        return (self.boot, self.count)

    def local(self, key):
        return self.data.get(key, ((0, "", 0, 0), None))

    def adopt(self, key, stamp, value):
        if stamp > self.local(key)[0]:
            self.data[key] = (stamp, value)
            self.save()

    async def ask(self, kind, key, payload, mine, deadline):
        op = self.unique()
        replies, event = {self.id: mine}, asyncio.Event()
        self.calls[op] = (replies, event)
        try:
            while len(replies) < self.majority:
                for peer in self.peers:
                    if peer not in replies:
                        self.net.send(peer, (kind, op, key, payload))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(kind)
                event.clear()
                try:
                    again = time.monotonic() + 0.2
                    while len(replies) < self.majority and time.monotonic() < again:
                        event.clear()
                        await asyncio.wait_for(event.wait(), min(again - time.monotonic(), max(0.001, deadline - time.monotonic())))
                except asyncio.TimeoutError:
                    pass
            return list(replies.values())
        finally:
            del self.calls[op]

    async def cp_put(self, key, value):
        deadline = time.monotonic() + 2.8
        found = await self.ask("read", key, None, self.local(key), deadline)
        n = max(s[0] for s, _ in found)
        stamp = (n + 1, self.id) + self.unique()
        self.adopt(key, stamp, value)
        await self.ask("write", key, (stamp, value), None, deadline)

    async def cp_get(self, key):
        deadline = time.monotonic() + 2.8
        found = await self.ask("read", key, None, self.local(key), deadline)
        stamp, value = max(found, key=lambda f: f[0])
        if stamp[0] == 0:
            return [], None
        if any(f[0] != stamp for f in found):
            self.adopt(key, stamp, value)
            await self.ask("write", key, (stamp, value), None, deadline)
        return [value], None

    def cp_receive(self, sender, message):
        kind, op, key, payload = message
        if kind == "read":
            self.net.send(sender, ("answer", op, key, self.local(key)))
        elif kind == "write":
            self.adopt(key, *payload)
            self.net.send(sender, ("answer", op, key, None))
        elif op in self.calls:
            replies, event = self.calls[op]
            replies[sender] = payload
            event.set()

    # ---- AP: data: key -> (vector, {(id, n): value})

    def ap_put(self, key, value, context):
        seen = context or {}
        vector, values = self.data.get(key, ({}, {}))
        vector = dict(vector)
        values = {d: v for d, v in values.items() if d[1] > seen.get(d[0], 0)}
        for r, n in seen.items():
            vector[r] = max(n, vector.get(r, 0))
        n = vector.get(self.id, 0) + 1
        vector[self.id] = n
        values[self.id, n] = value
        self.data[key] = (vector, values)
        self.save()

    def ap_get(self, key):
        vector, values = self.data.get(key, ({}, {}))
        return list(values.values()), dict(vector)

    def ap_receive(self, sender, message):
        changed = False
        for key, theirs in message.items():
            mine = self.data.get(key, ({}, {}))
            merged = self.merge(mine, theirs)
            if merged != mine:
                self.data[key] = merged
                changed = True
        if changed:
            self.save()

    @staticmethod
    def merge(a, b):
        values = {}
        for d, v in a[1].items():
            if d in b[1] or d[1] > b[0].get(d[0], 0):
                values[d] = v
        for d, v in b[1].items():
            if d in a[1] or d[1] > a[0].get(d[0], 0):
                values[d] = v
        vector = dict(a[0])
        for r, n in b[0].items():
            vector[r] = max(n, vector.get(r, 0))
        return vector, values

    async def gossip(self):
        while True:
            for peer in self.peers:
                self.net.send(peer, self.data)
            await asyncio.sleep(6)
