"""CP: Paxos for each key, without a leader (CASPaxos); both put and get prepare and accept. AP: pulls what it lacks.

Contexts are bytes. An AP replica tells what it has seen, and is sent the keys of which the other has seen more.
"""

import asyncio
import pickle
import random


class Unavailable(Exception):
    """No majority."""


class Replica:
    def __init__(self, id, peers, net, storage, mode):
        self.id, self.peers, self.net, self.storage = id, peers, net, storage
        self.mode = mode
        self.random = random.Random(id)
        state = storage.load()
        self.state = pickle.loads(state) if state else {"life": 0, "keys": {}}
        self.state["life"] += 1
        self.save()
        self.calls = 0
        self.replies = {}
        if mode == "AP":
            self.puller = asyncio.create_task(self.pull())

    def save(self):
        self.storage.save(pickle.dumps(self.state))

    async def put(self, key, value, context=None):
        if self.mode == "AP":
            self.put_here(key, value, context)
            return
        self.calls += 1
        name = f"{self.id}/{self.state['life']}/{self.calls}"

        def change(held):
            _, puts = held
            return held if name in puts else (value, [*puts, name])

        await self.in_time(self.decide(key, change))

    async def get(self, key):
        if self.mode == "AP":
            values, seen = self.state["keys"].get(key, ({}, {}))
            return list(values.values()), pickle.dumps(seen)
        value, puts = await self.in_time(self.decide(key, lambda held: held))
        return [value] if puts else [], b""

    async def in_time(self, work):
        try:
            return await asyncio.wait_for(work, 2.7)
        except asyncio.TimeoutError:
            raise Unavailable("time is up") from None

    async def receive(self, sender, message):
        what, *rest = message
        await getattr(self, what)(sender, *rest)

    # ---- CP, proposer

    async def decide(self, key, change):
        round_ = 0
        while True:
            promised, _, _ = self.acceptor(key)
            round_ = max(round_, promised[0]) + 1
            ballot = (round_, self.id, self.state["life"])
            promises = await self.ask("prepare", key, ballot, None)
            if promises is not None:
                _, held = max(promises, key=lambda each: each[0])
                held = change(held)
                if await self.ask("accept", key, ballot, held) is not None:
                    return held
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def ask(self, what, key, ballot, held):
        """The answers of a majority; None when one of them has promised itself to a higher ballot."""
        self.calls += 1
        call = (self.id, self.state["life"], self.calls)
        answers = {}
        refused = set()
        came = asyncio.Event()
        self.replies[call] = (answers, refused, came)
        need = (len(self.peers) + 1) // 2 + 1
        try:
            yes, answer = self.judge(what, key, ballot, held)
            if not yes:
                return None
            answers[self.id] = answer
            while len(answers) < need:
                if refused:
                    return None
                for peer in self.peers:
                    if peer not in answers:
                        self.net.send(peer, ["question", call, what, key, ballot, held])
                try:
                    async with asyncio.timeout(0.3):
                        while len(answers) < need and not refused:
                            await came.wait()
                            came.clear()
                except TimeoutError:
                    pass
            return list(answers.values())
        finally:
            del self.replies[call]

    # ---- CP, acceptor

    def acceptor(self, key):
        return self.state["keys"].get(key, ((0, "", 0), (0, "", 0), (None, [])))

    def judge(self, what, key, ballot, held):
        promised, accepted, value = self.acceptor(key)
        if what == "prepare":
            if ballot <= promised:
                return False, promised
            self.state["keys"][key] = (ballot, accepted, value)
            self.save()
            return True, (accepted, value)
        if ballot < promised:
            return False, promised
        self.state["keys"][key] = (ballot, ballot, held)
        self.save()
        return True, None

    async def question(self, sender, call, what, key, ballot, held):
        promised, accepted, value = self.acceptor(key)
        if what == "prepare" and ballot == promised:  # asked again
            self.net.send(sender, ["reply", call, True, (accepted, value)])
        else:
            self.net.send(sender, ["reply", call, *self.judge(what, key, ballot, held)])

    async def reply(self, sender, call, yes, answer):
        if call in self.replies:
            answers, refused, came = self.replies[call]
            if yes:
                answers[sender] = answer
            else:
                refused.add(sender)
            came.set()

    # ---- AP

    def put_here(self, key, value, context):
        values, seen = self.state["keys"].get(key, ({}, {}))
        past = pickle.loads(context) if context else {}
        dot = (self.id, seen.get(self.id, 0) + 1)
        values = {d: v for d, v in values.items() if d[1] > past.get(d[0], 0)}
        seen = {who: max(seen.get(who, 0), past.get(who, 0)) for who in {*seen, *past}}
        values[dot] = value
        seen[self.id] = dot[1]
        self.state["keys"][key] = (values, seen)
        self.save()

    async def pull(self):
        while True:
            for peer in self.peers:
                self.net.send(peer, ["what_is_new", {key: seen for key, (_, seen) in self.state["keys"].items()}])
            await asyncio.sleep(0.8)

    async def what_is_new(self, sender, known):
        news = {
            key: (values, seen)
            for key, (values, seen) in self.state["keys"].items()
            if any(count > known.get(key, {}).get(who, 0) for who, count in seen.items())
        }
        if news:
            self.net.send(sender, ["news", news])

    async def news(self, sender, news):
        for key, (theirs, their_seen) in news.items():
            mine, seen = self.state["keys"].get(key, ({}, {}))
            values = {d: v for d, v in mine.items() if d in theirs or d[1] > their_seen.get(d[0], 0)}
            values |= {d: v for d, v in theirs.items() if d in mine or d[1] > seen.get(d[0], 0)}
            seen = {who: max(seen.get(who, 0), their_seen.get(who, 0)) for who in {*seen, *their_seen}}
            self.state["keys"][key] = (values, seen)
        self.save()
