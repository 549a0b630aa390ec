"""Tries: to call methods and read attributes of the grader's store that are not for students.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /called something that does not exist/
"""

import gc


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        for name in ("_data", "_world", "reads", "held_since", "slow", "__getitem__", "__dict__"):
            try:
                value = getattr(store, name)
            except AttributeError:
                continue
            if name != "__dict__":
                print("BREACH", name, value)
        self.store = store

    async def get(self, key):
        host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
        return await host.ask(self.store, "held_since", True, (key, 0.0), {})
