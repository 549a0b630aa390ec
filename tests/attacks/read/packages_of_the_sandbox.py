"""Tries: to find something of this exercise among the packages that the sandbox itself runs on.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import os
import sys

NEEDLES = ('@check("hit")', "first get of a key asks the store", "def filled_store", "LeastRecentlyUsed")
for place in {*sys.path, "/opt/kata", "/site"}:
    if "submission" in place:
        continue
    for folder, _, files in os.walk(os.path.join(place, "kata")):
        for name in files:
            if name.endswith((".py", ".toml", ".md")):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    text = file.read()
                if any(needle in text for needle in NEEDLES):
                    print("BREACH", folder, name)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")
