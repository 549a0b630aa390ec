"""Loses: minority, crash. The replica with the lowest name decides, and nobody stands in for it.

May lose: one-way, indefinite, lossy"""

import ast
import asyncio
import contextlib
import itertools
import random

RESEND_SECONDS = 0.2
GIVE_UP_SECONDS = 2.8
GOSSIP_SECONDS = 1.0


class Unavailable(Exception):
    """A CP replica can't reach a majority in time. Whether a put took effect is unknown."""


class Replica:
    """One of several replicas of a key-value store; mode "CP" is linearizable, mode "AP" always answers."""

    def __init__(self, id, peers, net, storage, mode):
        self._side = {"CP": Consistent, "AP": Available}[mode](id, peers, net, storage)

    async def put(self, key, value, context=None):
        await self._side.put(key, value, context)

    async def get(self, key):
        return await self._side.get(key)

    async def receive(self, sender, message):
        self._side.receive(sender, message)


class Consistent:
    """The replica with the lowest name orders all puts and gets; a majority holds what it has put."""

    def __init__(self, id, peers, net, storage):
        self._id, self._peers, self._net, self._storage = id, peers, net, storage
        self._leader = min([id, *peers])
        self._majority = (len(peers) + 1) // 2 + 1
        self._count, self._held = loaded(storage, (0, {}))
        self._asks = itertools.count(1)
        self._waiting, self._led = {}, {}

    async def put(self, key, value, context):
        await self._lead("put", key, value)

    async def get(self, key):
        value = await self._lead("get", key, None)
        return ([] if value is None else [value]), None

    async def _lead(self, what, key, value):
        async with in_time():
            if self._id == self._leader:
                return await self._decide(what, key, value)
            return (await self._ask([self._leader], 1, "lead", what, key, value))[0]

    async def _decide(self, what, key, value):
        if what == "put":
            self._count += 1
            self._hold(key, self._count, value)
        count, value = self._held.get(key, (0, None))
        await self._ask(self._peers, self._majority - 1, "hold", key, count, value)
        return value

    async def _ask(self, to, enough, *request):
        ask_id = (self._id, random.random(), next(self._asks))
        answers, done = {}, asyncio.Event()
        self._waiting[ask_id] = (answers, enough, done)
        try:
            while not done.is_set():
                for peer in to:
                    if peer not in answers:
                        self._net.send(peer, ("ask", ask_id, request))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), RESEND_SECONDS)
            return list(answers.values())
        finally:
            del self._waiting[ask_id]

    def receive(self, sender, message):
        kind, ask_id, content = message
        if kind == "answer":
            answers, enough, done = self._waiting.get(ask_id, ({}, 9, None))
            answers[sender] = content
            if len(answers) >= enough:
                done.set()
        elif content[0] == "hold":
            self._hold(*content[1:])
            self._net.send(sender, ("answer", ask_id, None))
        else:
            if ask_id not in self._led:
                self._led[ask_id] = asyncio.create_task(self._decide_in_time(content[1:]))
            self._led[ask_id].add_done_callback(lambda task: self._tell(sender, ask_id, task))

    def _tell(self, sender, ask_id, task):
        if task.exception() is None:
            self._net.send(sender, ("answer", ask_id, task.result()))

    async def _decide_in_time(self, request):
        async with in_time():
            return await self._decide(*request)

    def _hold(self, key, count, value):
        if count > self._held.get(key, (0, None))[0]:
            self._count = max(self._count, count)
            self._held[key] = (count, value)
            self._storage.save(repr((self._count, self._held)).encode())


class Available:
    """Each key has its values by dot (replica, count), and for each replica the highest count that was seen."""

    def __init__(self, id, peers, net, storage):
        self._id, self._peers, self._net, self._storage = id, peers, net, storage
        self._keys = loaded(storage, {})
        self._gossip = asyncio.create_task(self._gossip_for_ever())

    async def put(self, key, value, context):
        values, seen = self._keys.get(key, ({}, {}))
        context = context or {}
        values = {dot: held for dot, held in values.items() if not covers(context, dot)}
        seen = joined(seen, context)
        seen[self._id] = seen.get(self._id, 0) + 1
        values[self._id, seen[self._id]] = value
        self._keys[key] = (values, seen)
        self._save()

    async def get(self, key):
        values, seen = self._keys.get(key, ({}, {}))
        return list(values.values()), seen

    def receive(self, sender, message):
        before = dict(self._keys)
        for key, theirs in message.items():
            self._keys[key] = merged(self._keys.get(key, ({}, {})), theirs)
        if self._keys != before:
            self._save()

    async def _gossip_for_ever(self):
        while True:
            await asyncio.sleep(GOSSIP_SECONDS)
            for peer in self._peers:
                self._net.send(peer, self._keys)

    def _save(self):
        self._storage.save(repr(self._keys).encode())


def covers(seen, dot):
    replica, count = dot
    return seen.get(replica, 0) >= count


def joined(one, other):
    return {replica: max(one.get(replica, 0), other.get(replica, 0)) for replica in one | other}


def merged(one, other):
    """A value that only one side holds lives on if the other has not seen it; else the other has seen it replaced."""
    (values, seen), (other_values, other_seen) = one, other
    kept = {
        dot: value
        for dot, value in (values | other_values).items()
        if (dot in values or not covers(seen, dot)) and (dot in other_values or not covers(other_seen, dot))
    }
    return kept, joined(seen, other_seen)


def loaded(storage, default):
    data = storage.load()
    return default if data is None else ast.literal_eval(data.decode())


@contextlib.asynccontextmanager
async def in_time():
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            yield
    except TimeoutError:
        raise Unavailable("no majority answered in time; what a put did is unknown") from None
