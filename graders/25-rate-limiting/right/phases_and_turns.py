"""Design: Whole nanoseconds; windows whose phase is a hash of the key; a sample of old keys in each call; shared, calls of a key take turns, store calls that are late run on, and denials are written too."""

import asyncio
import random
import struct
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from heapq import heappop, heappush
from zlib import crc32


@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None

SECOND = 1_000_000_000


def nanos():
    return int(time.monotonic() * SECOND)


class FixedWindow:
    """Each key has windows with a phase of its own (a hash of it); random sampling of old keys."""

    def __init__(self, limit, window):
        self.limit, self.window = limit, max(1, round(window * SECOND))
        self.table, self.keys = {}, []

    def phase(self, key):
        return (crc32(key.encode()) * self.window) >> 32

    def allow(self, key, cost=1):
        if cost < 1:
            raise ValueError("cost")
        now = nanos()
        for _ in range(4):
            if not self.keys:
                break
            i = int(random.random() * len(self.keys))
            k = self.keys[i]
            if self.table[k][0] != (now + self.phase(k)) // self.window:
                last = self.keys.pop()
                if last != k:
                    self.keys[i] = last
                del self.table[k]
        index, inside = divmod(now + self.phase(key), self.window)
        entry = self.table.get(key)
        spent = entry[1] if entry and entry[0] == index else 0
        if cost > self.limit:
            return Decision(False, self.limit - spent, None)
        if spent + cost > self.limit:
            return Decision(False, self.limit - spent, (self.window - inside) / SECOND)
        if entry is None:
            self.keys.append(key)
        self.table[key] = (index, spent + cost)
        return Decision(True, self.limit - spent - cost, 0.0)


class SlidingWindow:
    """A heap of (end, cost) for each key, and a heap of keys by their end."""

    def __init__(self, limit, window):
        self.limit, self.window = limit, round(window * SECOND)
        self.logs, self.ends = {}, []  # key -> [sum, last end, heap]

    def allow(self, key, cost=1):
        if cost < 1:
            raise ValueError("cost")
        now = nanos()
        for _ in range(2):
            if self.ends and self.ends[0][0] <= now:
                _, k = heappop(self.ends)
                last = self.logs[k][1]
                if last <= now:
                    del self.logs[k]
                else:
                    heappush(self.ends, (last, k))
        log = self.logs.get(key)
        spent = 0
        if log is not None:
            heap = log[2]
            while heap and heap[0][0] <= now:
                log[0] -= heappop(heap)[1]
            spent = log[0]
        left = self.limit - spent
        if cost > self.limit:
            return Decision(False, left, None)
        if cost > left:
            room = left
            for end, c in sorted(heap):
                room += c
                if room >= cost:
                    return Decision(False, left, (end - now) / SECOND)
        end = now + self.window
        if log is None:
            log = self.logs[key] = [0, end, []]
            heappush(self.ends, (end, key))
        heappush(log[2], (end, cost))
        log[0] += cost
        log[1] = end
        return Decision(True, left - cost, 0.0)


class Debt:
    """Integer nanoseconds until the bucket is full."""

    def __init__(self, capacity, rate):
        self.capacity, self.rate = capacity, rate
        self.full = self.price(capacity)

    def price(self, tokens):
        return round(tokens * SECOND / self.rate)

    def decide(self, full_at, now, cost):
        debt = max(0, full_at - now)
        left = int((self.full - debt) * self.rate / SECOND + 1e-6)
        while left > 0 and debt + self.price(left) > self.full:
            left -= 1
        if cost > self.capacity:
            return full_at, Decision(False, left, None)
        late = debt + self.price(cost) - self.full
        if late > 0:
            return full_at, Decision(False, left, late / SECOND)
        return now + debt + self.price(cost), Decision(True, max(0, left - cost), 0.0)


class TokenBucket:
    def __init__(self, capacity, rate):
        self.debt, self.table = Debt(capacity, rate), OrderedDict()

    def allow(self, key, cost=1):
        if cost < 1:
            raise ValueError("cost")
        now = nanos()
        for _ in range(2):
            if self.table:
                k = next(iter(self.table))
                if self.table[k] <= now:
                    del self.table[k]
        full_at, decision = self.debt.decide(self.table.get(key, now), now, cost)
        if decision.allowed:
            self.table[key] = full_at
            self.table.move_to_end(key)
        return decision


class SharedTokenBucket:
    """Turns by a queue of futures; deadline arithmetic with asyncio.wait; store calls that are late are left alone;
    writes on a denial as well."""

    def __init__(self, store, capacity, rate, *, fail_open, timeout):
        self.store, self.debt, self.capacity, self.timeout = store, Debt(capacity, rate), capacity, timeout
        self.policy = Decision(True, 0, 0.0) if fail_open else Decision(False, 0, timeout)
        self.turns = {}  # key -> deque of futures that wait for their turn
        self.late = set()

    async def within(self, awaitable, deadline):
        task = asyncio.ensure_future(awaitable)
        self.late.add(task)
        task.add_done_callback(self.forget)
        done, _ = await asyncio.wait({task}, timeout=max(0, deadline - time.monotonic()))
        if not done:
            raise TimeoutError
        return task.result()

    def forget(self, task):
        self.late.discard(task)
        if not task.cancelled():
            task.exception()

    def hand_over(self, key):
        queue = self.turns[key]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self.turns[key]

    async def allow(self, key, cost=1):
        if cost < 1:
            raise ValueError("cost")
        if cost > self.capacity:
            return Decision(False, 0, None)
        deadline = time.monotonic() + self.timeout
        if key in self.turns:
            turn = asyncio.get_running_loop().create_future()
            self.turns[key].append(turn)
            try:
                done, _ = await asyncio.wait({turn}, timeout=self.timeout)
            except asyncio.CancelledError:
                if turn.done():
                    self.hand_over(key)
                else:
                    turn.cancel()
                raise
            if not done:
                turn.cancel()
                return self.policy
        else:
            self.turns[key] = deque()
        try:
            while time.monotonic() < deadline:
                value, version, now = await self.within(self.store.read(key), deadline)
                now = int(now * SECOND)
                full_at = struct.unpack(">q", value)[0] if value is not None else now
                full_at, decision = self.debt.decide(full_at, now, cost)
                ttl = max(full_at - now, 1) / SECOND + 0.5
                if time.monotonic() >= deadline:
                    break
                if await self.within(
                    self.store.compare_and_set(key, version, struct.pack(">q", full_at), ttl), deadline
                ):
                    return decision
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self.hand_over(key)
        return self.policy
