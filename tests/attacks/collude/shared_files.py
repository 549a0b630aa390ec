"""Tries: to leave a note for another process in any folder that both might write to.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
"""

import os

own = os.getcwd()
PLACES = [
    "/dev/shm",
    "/tmp",
    "/var/tmp",
    "/run",
    "/run/lock",
    "/work",
    "/grader",
    "/",
    "/dev",
    "/opt/kata",
    "..",
    "/var/crash",
]
PLACES += [f"/work/{number}" for number in range(70)] + [f"/work/{number}/submission" for number in range(70)]
for place in PLACES:
    path = os.path.join(place, "note-of-an-attack")
    if os.path.realpath(place) == own or os.path.realpath(place).startswith(own + "/"):
        continue
    if os.path.exists(path):
        print("BREACH read", path)
    try:
        with open(path, "w") as file:
            file.write("hello")
        print("BREACH wrote", path)
        os.unlink(path)
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)
