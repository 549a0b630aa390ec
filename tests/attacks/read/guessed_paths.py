"""Tries: to find the grader's files, by the names that they have in a checkout and in a sandbox.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
Control: in `process` they can be read.
"""

import os

PLACES = [
    "/grader",
    "/work",
    "/tmp",
    "/dev/shm",
    "/opt",
    "/root",
    "/home",
    "/srv",
    "/mnt",
    "/var",
    "/run",
    "..",
    "../..",
]
NAMES = {"test_correctness.py", "test_failure.py", "test_timing.py", "exercise.toml"}


def search():
    for place in PLACES:
        for folder, folders, files in os.walk(place):
            folders[:] = [each for each in folders if not each.startswith(("data", "lib", "proc", "venv"))][:40]
            if folder.count("/") > 8:
                folders.clear()
            for name in NAMES.intersection(files):
                path = os.path.join(folder, name)
                try:
                    with open(path) as file:
                        yield path, file.read()
                except OSError:
                    continue


FOUND = {}
for path, text in search():
    FOUND[path] = text
    print("BREACH", path)
    break


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found") if not FOUND else AssertionError(FOUND)
