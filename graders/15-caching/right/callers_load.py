"""Design: the first caller loads for all, and another takes over when it is cancelled; versions, no tasks."""

import asyncio
import collections

ABANDONED = object()


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store
        self.ttl = ttl
        self.grace = grace
        self.capacity = capacity
        self.values = {}
        self.loaded = {}
        self.order = collections.OrderedDict()
        self.version = collections.Counter()
        self.flights = {}

    async def get(self, key):
        while True:
            if key in self.values:
                self.order.move_to_end(key)
                if self.age(key) < self.ttl:
                    return self.values[key]
            flight = self.flights.get((key, self.version[key]))
            if flight is None:
                return await self.lead(key, self.version[key])
            answer = await asyncio.shield(flight)
            if answer is not ABANDONED:
                return answer

    async def lead(self, key, version):
        flight = self.flights[key, version] = asyncio.get_running_loop().create_future()
        asked = asyncio.get_running_loop().time()
        try:
            answer = await self.store.read(key)
            if self.version[key] == version:
                self.keep(key, answer, asked)
        except Exception as error:
            if key not in self.values or self.age(key) >= self.ttl + self.grace:
                flight.set_exception(error)
                flight.exception()
                raise
            answer = self.values[key]
        finally:
            del self.flights[key, version]
            if not flight.done() and asyncio.current_task().cancelling():
                flight.set_result(ABANDONED)
        flight.set_result(answer)
        return answer

    async def put(self, key, value):
        try:
            await self.store.write(key, value)
        except (Exception, asyncio.CancelledError):
            self.drop(key)
            raise
        self.version[key] += 1
        self.keep(key, value, asyncio.get_running_loop().time())

    async def invalidate(self, key):
        self.drop(key)

    def drop(self, key):
        self.version[key] += 1
        for held in (self.values, self.loaded, self.order):
            held.pop(key, None)

    def keep(self, key, value, since):
        self.values[key] = value
        self.loaded[key] = since
        self.order[key] = None
        self.order.move_to_end(key)
        if len(self.order) > self.capacity:
            oldest, _ = self.order.popitem(last=False)
            del self.values[oldest], self.loaded[oldest]

    def age(self, key):
        return asyncio.get_running_loop().time() - self.loaded[key]
