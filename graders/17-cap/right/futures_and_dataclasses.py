"""CP: a majority register whose messages are dataclasses; each round is a future. AP: pushes and pulls with one peer.

`receive` is a plain function, contexts are tuples, and what breaks a tie between two puts is drawn by chance.
"""

import asyncio
import base64
import json
import random
import uuid
from dataclasses import dataclass


class Unavailable(RuntimeError):
    pass


@dataclass
class Read:
    round: str
    key: str


@dataclass
class Write:
    round: str
    key: str
    stamp: tuple
    value: bytes | None


@dataclass
class Reply:
    round: str
    stamp: tuple
    value: bytes | None


@dataclass
class News:
    keys: dict
    answer_wanted: bool


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.id = id
        self.peers = list(peers)
        self.net = net
        self.storage = storage
        self.consistent = mode == "CP"
        self.rounds = {}
        self.table = {}
        self.tasks = set()
        text = storage.load()
        if text is not None:
            self.table = self.decoded(json.loads(text))
        if not self.consistent:
            self.chance = random.Random(id)
            self.start(self.gossip())

    def start(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # ------------------------------------------------------------ disk

    def save(self):
        if self.consistent:
            rows = [[key, list(stamp), text_of(value)] for key, (stamp, value) in self.table.items()]
        else:
            rows = [
                [key, [[*dot, text_of(value)] for dot, value in values.items()], list(seen.items())]
                for key, (values, seen) in self.table.items()
            ]
        self.storage.save(json.dumps(rows).encode())

    def decoded(self, rows):
        if self.consistent:
            return {key: (tuple(stamp), bytes_of(value)) for key, stamp, value in rows}
        return {key: ({(r, n): bytes_of(v) for r, n, v in values}, dict(seen)) for key, values, seen in rows}

    # ------------------------------------------------------------ calls

    async def put(self, key, value, context=None):
        if not self.consistent:
            return self.put_sibling(key, value, dict(context or ()))
        async with deadline():
            replies = await self.quorum(Read(str(uuid.uuid4()), key))
            stamp = (max(reply.stamp for reply in replies)[0] + 1, str(uuid.uuid4()))
            await self.quorum(Write(str(uuid.uuid4()), key, stamp, value))

    async def get(self, key):
        if not self.consistent:
            values, seen = self.table.get(key, ({}, {}))
            return set(values.values()), tuple(seen.items())
        async with deadline():
            replies = await self.quorum(Read(str(uuid.uuid4()), key))
            newest = max(replies, key=lambda reply: reply.stamp)
            await self.quorum(Write(str(uuid.uuid4()), key, newest.stamp, newest.value))
        return [newest.value] if newest.stamp[0] else [], None

    async def quorum(self, request):
        future = asyncio.get_running_loop().create_future()
        replies = {self.id: self.handle(request)}
        self.rounds[request.round] = (replies, future)
        repeater = self.start(self.repeat(request, replies))
        try:
            return await future
        finally:
            repeater.cancel()
            del self.rounds[request.round]

    async def repeat(self, request, replies):
        while True:
            for peer in self.peers:
                if peer not in replies:
                    self.net.send(peer, request)
            await asyncio.sleep(0.25)

    def handle(self, request):
        stamp, value = self.table.get(request.key, ((0, ""), None))
        if isinstance(request, Write) and request.stamp > stamp:
            stamp, value = self.table[request.key] = (request.stamp, request.value)
            self.save()
        return Reply(request.round, stamp, value)

    # ------------------------------------------------------------ messages

    def receive(self, sender, message):
        if isinstance(message, Reply):
            if message.round in self.rounds:
                replies, future = self.rounds[message.round]
                replies[sender] = message
                if 2 * len(replies) > len(self.peers) + 1 and not future.done():
                    future.set_result(list(replies.values()))
        elif isinstance(message, News):
            if message.answer_wanted:
                self.net.send(sender, News(self.table, False))
            self.learn(message.keys)
        else:
            self.net.send(sender, self.handle(message))

    # ------------------------------------------------------------ AP

    def put_sibling(self, key, value, context):
        values, seen = self.table.get(key, ({}, {}))
        number = seen.get(self.id, 0) + 1
        values = {(r, n): v for (r, n), v in values.items() if context.get(r, 0) < n}
        values[self.id, number] = value
        self.table[key] = (values, most(most(seen, context), {self.id: number}))
        self.save()

    def learn(self, keys):
        for key, (values, seen) in keys.items():
            mine, my_seen = self.table.get(key, ({}, {}))
            both = {dot: mine[dot] for dot in mine.keys() & values.keys()}
            only_mine = {dot: v for dot, v in mine.items() if dot[1] > seen.get(dot[0], 0)}
            only_theirs = {dot: v for dot, v in values.items() if dot[1] > my_seen.get(dot[0], 0)}
            self.table[key] = (both | only_mine | only_theirs, most(seen, my_seen))
        self.save()

    async def gossip(self):
        while True:
            await asyncio.sleep(0.4)
            if self.peers:
                self.net.send(self.chance.choice(self.peers), News(self.table, True))


class deadline:
    async def __aenter__(self):
        self.timeout = asyncio.timeout(2.5)
        await self.timeout.__aenter__()

    async def __aexit__(self, *error):
        try:
            return await self.timeout.__aexit__(*error)
        except TimeoutError:
            raise Unavailable("no majority of replicas answered within 2.5 s") from None


def most(one, other):
    return {r: max(one.get(r, 0), other.get(r, 0)) for r in {*one, *other}}


def text_of(value):
    return None if value is None else base64.b64encode(value).decode()


def bytes_of(text):
    return None if text is None else base64.b64decode(text)
