"""Loses: minority, lossy. Two replicas are a majority, it says, of however many there are.

May lose: linearizable, indefinite"""

import ast
import asyncio
import contextlib
import itertools

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
    """Each key is a register. A version is (count, replica, life of the replica, serial): none is ever given twice."""

    NOTHING = ((0,), None)

    def __init__(self, id, peers, net, storage):
        self._id, self._peers, self._net, self._storage = id, peers, net, storage
        self._majority = 2
        self._life, self._held = loaded(storage, (0, {}))
        self._life += 1
        self._serials = itertools.count(1)
        self._rounds = {}
        self._save()

    async def put(self, key, value, context):
        async with in_time():
            (count, *_), _ = max(await self._ask("read", key))
            version = (count + 1, self._id, self._life, next(self._serials))
            await self._ask("write", key, version, value)

    async def get(self, key):
        async with in_time():
            answers = await self._ask("read", key)
            version, value = max(answers)
            if min(answers) != (version, value):
                # Somebody may have to do without those who hold it: let a majority hold it first.
                await self._ask("write", key, version, value)
            return ([] if value is None else [value]), None

    async def _ask(self, *request):
        """The answers of a majority, this replica's own among them."""
        round_id = (self._life, next(self._serials))
        answers, enough = {self._id: self._serve(*request)}, asyncio.Event()
        self._rounds[round_id] = (answers, enough)
        try:
            while len(answers) < self._majority:
                for peer in self._peers:
                    if peer not in answers:
                        self._net.send(peer, ("ask", round_id, request))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), RESEND_SECONDS)
        finally:
            del self._rounds[round_id]
        return list(answers.values())

    def receive(self, sender, message):
        kind, round_id, content = message
        if kind == "ask":
            self._net.send(sender, ("answer", round_id, self._serve(*content)))
        elif round_id in self._rounds:
            answers, enough = self._rounds[round_id]
            answers[sender] = content
            if len(answers) >= self._majority:
                enough.set()

    def _serve(self, what, key, version=(0,), value=None):
        """Read, or write what is newer than what is held. Saved before anybody hears of it."""
        if what == "write" and version > self._held.get(key, self.NOTHING)[0]:
            self._held[key] = (version, value)
            self._save()
        return self._held.get(key, self.NOTHING)

    def _save(self):
        self._storage.save(repr((self._life, self._held)).encode())


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
