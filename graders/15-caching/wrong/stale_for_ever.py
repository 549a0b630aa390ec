"""Loses: grace. Each time a stale value is served its grace is counted anew from that moment, so a key that is asked for often is served stale for ever."""
import asyncio
import time
from collections import OrderedDict

FRESH, STALE, GONE = "fresh", "stale", "gone"


class CacheAside:
    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        self.store = store
        self.ttl = ttl
        self.capacity = capacity
        self.grace = grace
        self.table = OrderedDict()          # key -> [value, fresh_until]
        self.flights = {}                   # key -> future
        self.workers = set()

    def state(self, key):
        if key not in self.table:
            return GONE
        late = time.monotonic() - self.table[key][1]
        if late < 0:
            return FRESH
        return STALE if late < self.grace else GONE

    async def get(self, key: str) -> bytes | None:
        if key in self.table:
            self.table.move_to_end(key)
        if self.state(key) == FRESH:
            return self.table[key][0]
        flight = self.flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_future()
            self.flights[key] = flight
            worker = asyncio.create_task(self.work(key, flight))
            self.workers.add(worker)        # the loop itself keeps weak references only
            worker.add_done_callback(self.workers.discard)
        return await asyncio.shield(flight)

    async def work(self, key, flight):
        try:
            value = await self.store.read(key)
        except Exception as error:
            mine = self.flights.get(key) is flight
            if mine:
                del self.flights[key]
            if mine and self.state(key) == STALE:
                entry = self.table[key]
                entry[1] = time.monotonic()     # not fresh: the next get asks again
                flight.set_result(entry[0])
            else:
                flight.set_exception(error)
                flight.exception()
            return
        if self.flights.get(key) is flight:
            del self.flights[key]
            self.keep(key, value)
        flight.set_result(value)

    def keep(self, key, value):
        self.table[key] = [value, time.monotonic() + self.ttl]
        self.table.move_to_end(key)
        while len(self.table) > self.capacity:
            self.table.popitem(last=False)

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self.store.write(key, value)
        except BaseException:
            await self.invalidate(key)
            raise
        self.flights.pop(key, None)
        self.keep(key, value)

    async def invalidate(self, key: str) -> None:
        self.table.pop(key, None)
        self.flights.pop(key, None)
