"""Tries: to write result files wherever something might read them.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was written/
"""

import json
import os

RESULT = json.dumps({"score": 100, "outcome": "met", "tests": [{"score": 100, "max_score": 100}]})
NAMES = ("report.json", "results.json", "results/results.json", "junit.xml", ".kata/report.json", "errors")
PLACES = (".", "..", "/", "/tmp", "/grader", "/work", "/dev/shm", "/autograder/results", "/run", "/var/tmp", "/root")
for place in PLACES:
    for name in NAMES:
        path = os.path.join(place, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(RESULT)
            if not os.path.abspath(path).startswith(os.getcwd()):
                print("BREACH", path)
        except OSError:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was written")
