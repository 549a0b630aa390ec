"""Right: CP is one Paxos-decided state per key (CASPaxos, calls in batches, puts known by number), AP is values with exact causal histories kept as ranges."""
import asyncio
import pickle
import random
import time

CALL_LIMIT = 2.8
RESEND = 0.15
ROUND_LIMIT = 2.0
COURTESY = 1.0
GOSSIP = 1.0


class Unavailable(Exception):
    """A CP replica can't reach a majority in time. Whether a put took effect is unknown."""


class Paxos:
    """A key's cell is (promised ballot, accepted ballot, state); its state is (value or None, the last put's number by replica).

    A ballot is (number, replica, boot). So that proposers don't duel, whoever has promised a ballot lets the proposer finish
    before it promises another, unless that one has waited longer; this is courtesy, and safety doesn't rest on it."""

    ZERO = (0, "", 0)
    EMPTY = (ZERO, ZERO, (None, {}))

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        self.members = len(peers) + 1
        self.majority = self.members // 2 + 1
        self.rng = random.Random(id)
        saved = storage.load()
        self.boot, self.cells = pickle.loads(saved) if saved is not None else (0, {})
        self.boot += 1
        self.save()
        self.serial = 0
        self.top = max((cell[0][0] for cell in self.cells.values()), default=0)  # the highest ballot number heard of
        self.waiting, self.queues, self.workers = {}, {}, {}
        self.turns, self.held, self.over = {}, {}, {}
        self.task = asyncio.create_task(self.tell_top())

    def save(self):
        self.storage.save(pickle.dumps((self.boot, self.cells)))

    def set_cell(self, key, promised, accepted, state):
        self.cells[key] = (promised, accepted, state)
        self.save()

    def send(self, to, *message):
        if to == self.id:
            self.receive(to, message)
        else:
            self.net.send(to, message)

    def send_all(self, *message):
        for to in [*self.peers, self.id]:
            self.send(to, *message)

    async def tell_top(self):
        while True:
            await asyncio.sleep(0.5)
            for peer in self.peers:
                self.net.send(peer, ("top", None, (self.top, "", 0), None))

    # The proposer

    async def call(self, key, value):
        """A put, or a get when value is None. What waits for the same key is decided in one round."""
        self.serial += 1
        future = asyncio.get_running_loop().create_future()
        op = ((self.boot, self.serial), value, future, time.monotonic())
        self.queues.setdefault(key, []).append(op)
        if key not in self.workers:
            self.workers[key] = asyncio.create_task(self.work(key))
        await asyncio.wait([future], timeout=CALL_LIMIT)
        if not future.done():
            self.queues[key].remove(op)
            raise Unavailable("no majority has agreed in time")
        return future.result()

    async def put(self, key, value, context):
        await self.call(key, value)

    async def get(self, key):
        value = await self.call(key, None)
        return ([] if value is None else [value]), None

    async def work(self, key):
        queue, reading = self.queues[key], True
        while queue:
            batch = list(queue)
            self.top += 1
            ballot = (self.top, self.id, self.boot)
            if reading and all(op[1] is None for op in batch):
                decided, value = await self.read(key, ballot)
            else:
                decided, value = await self.decide(key, batch, ballot)
                self.send_all("over", key, ballot, None)
            reading = decided
            if decided:
                for op in batch:
                    if op in queue:
                        queue.remove(op)
                        op[2].set_result(value)
            else:
                await asyncio.sleep(self.rng.uniform(0, 0.05))
        del self.workers[key]

    async def read(self, key, request):
        """What a majority has accepted; if they differ, help the newest through under its own ballot."""
        answers = await self.ask("read", key, request, None)
        if answers is None:
            return False, None
        newest, (value, done) = max(answers, key=lambda answer: answer[0])
        if sum(answer[0] == newest for answer in answers) < self.majority:
            answers = await self.ask("accept", key, newest, (value, done))
        return answers is not None, value

    async def decide(self, key, batch, ballot):
        answers = await self.ask("prepare", key, ballot, time.monotonic() - batch[0][3])
        if answers is None:
            return False, None
        newest, (value, done) = max(answers, key=lambda answer: answer[0])
        # A put that an earlier round has already stored must not be stored again.
        fresh = [op for op in batch if op[1] is not None and op[0] > done.get(self.id, (0, 0))]
        if fresh:
            value, done = fresh[-1][1], {**done, self.id: fresh[-1][0]}
        elif sum(answer[0] == newest for answer in answers) >= self.majority:
            return True, value
        answers = await self.ask("accept", key, ballot, (value, done))
        return answers is not None, value

    async def ask(self, kind, key, ballot, body):
        answers, refused, wake = {}, set(), asyncio.Event()
        self.waiting[kind, key, ballot] = (answers, refused, wake)
        try:
            for _ in range(round(ROUND_LIMIT / RESEND)):
                for to in [*self.peers, self.id]:
                    if to not in answers:
                        self.send(to, kind, key, ballot, body)
                try:
                    await asyncio.wait_for(wake.wait(), RESEND)
                except asyncio.TimeoutError:
                    pass
                if len(answers) >= self.majority:
                    return list(answers.values())
            return None
        finally:
            del self.waiting[kind, key, ballot]

    # The acceptor

    def prepare(self, sender, key, ballot, waited):
        promised, accepted, state = self.cells.get(key, self.EMPTY)
        now = time.monotonic()
        if ballot < promised:
            self.send(sender, "no", key, ballot, ("prepare", promised[0]))
            return
        if ballot > promised:
            if ballot <= self.over.get((key, sender), self.ZERO):
                return
            turn, since, until = self.turns.get(key, (None, 0, 0))
            if turn == promised and now < until and since < now - waited:
                if self.held.setdefault(key, {}).get(sender, (None,))[0] != ballot:
                    self.held[key][sender] = (ballot, now - waited)
                    asyncio.get_running_loop().call_later(until - now, self.next_turn, key, turn)
                return
            self.turns[key] = (ballot, now - waited, now + COURTESY)
            self.set_cell(key, ballot, accepted, state)
        self.send(sender, "yes", key, ballot, ("prepare", (accepted, state)))

    def next_turn(self, key, ballot):
        if key in self.turns and self.turns[key][0] == ballot:
            del self.turns[key]
            held = self.held.pop(key, {})
            for sender, (waiting, since) in sorted(held.items(), key=lambda item: item[1][1]):
                self.prepare(sender, key, waiting, time.monotonic() - since)

    def finish(self, sender, key, ballot):
        self.over[key, sender] = max(ballot, self.over.get((key, sender), self.ZERO))
        if self.held.get(key, {}).get(sender, (None,))[0] == ballot:
            del self.held[key][sender]
        self.next_turn(key, ballot)

    def accept(self, sender, key, ballot, decision):
        promised, accepted, state = self.cells.get(key, self.EMPTY)
        if ballot < promised:
            self.send(sender, "no", key, ballot, ("accept", promised[0]))
            return
        if ballot > accepted:
            self.set_cell(key, ballot, ballot, decision)
        self.send(sender, "yes", key, ballot, ("accept", True))
        self.next_turn(key, ballot)

    def receive(self, sender, message):
        kind, key, ballot, body = message
        self.top = max(self.top, ballot[0])
        if kind == "prepare":
            self.prepare(sender, key, ballot, body)
        elif kind == "accept":
            self.accept(sender, key, ballot, body)
        elif kind == "read":
            self.send(sender, "yes", key, ballot, ("read", self.cells.get(key, self.EMPTY)[1:]))
        elif kind == "over":
            self.finish(sender, key, ballot)
        elif kind in ("yes", "no"):
            phase, answer = body
            if kind == "no":
                self.top = max(self.top, answer)
            if (phase, key, ballot) in self.waiting:
                answers, refused, wake = self.waiting[phase, key, ballot]
                if kind == "no":
                    refused.add(sender)
                else:
                    answers[sender] = answer
                if len(answers) >= self.majority or len(refused) > self.members - self.majority:
                    wake.set()


def union(*histories):
    """A history is {replica: ((first, last), ...)}: the numbers of the puts that it has seen, as ranges."""
    out = {}
    for name in {name for history in histories for name in history}:
        ranges = []
        for first, last in sorted(r for history in histories for r in history.get(name, ())):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
            else:
                ranges.append((first, last))
        out[name] = tuple(ranges)
    return out


def contains(history, dot):
    return any(first <= dot[1] <= last for first, last in history.get(dot[0], ()))


class Histories:
    """key -> (number of puts made here, {dot: (value, history of its put)})."""

    def __init__(self, id, peers, net, storage):
        self.id, self.peers, self.net, self.storage = id, list(peers), net, storage
        saved = storage.load()
        self.cells = pickle.loads(saved) if saved is not None else {}
        self.task = asyncio.create_task(self.gossip())

    def save(self):
        self.storage.save(pickle.dumps(self.cells))

    async def put(self, key, value, context):
        seen = context or {}
        made, live = self.cells.get(key, (0, {}))
        live = {dot: entry for dot, entry in live.items() if not contains(seen, dot)}
        live[self.id, made + 1] = (value, seen)
        self.cells[key] = (made + 1, live)
        self.save()

    async def get(self, key):
        live = self.cells.get(key, (0, {}))[1]
        dots = [{name: ((number, number),)} for name, number in live]
        return [value for value, _ in live.values()], union(*dots, *(history for _, history in live.values()))

    async def gossip(self):
        while True:
            await asyncio.sleep(GOSSIP)
            for peer in self.peers:
                self.net.send(peer, [(key, dot, value, history) for key, (_, live) in self.cells.items()
                                     for dot, (value, history) in live.items()])

    def receive(self, sender, message):
        changed = False
        for key, dot, value, history in message:
            made, live = self.cells.get(key, (0, {}))
            if dot in live or any(contains(past, dot) for _, past in live.values()):
                continue
            live = {d: entry for d, entry in live.items() if not contains(history, d)}
            live[dot] = (value, history)
            self.cells[key] = (made, live)
            changed = True
        if changed:
            self.save()


class Replica:
    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        self.engine = (Paxos if mode == "CP" else Histories)(id, peers, net, storage)

    async def put(self, key: str, value: bytes, context=None) -> None:
        await self.engine.put(key, value, context)

    async def get(self, key: str) -> tuple[list[bytes], object]:
        return await self.engine.get(key)

    async def receive(self, sender: str, message) -> None:
        self.engine.receive(sender, message)
