"""Tries: to leave folders that can't be removed: without permissions, very deep, with names that are no text.
Against: 01-toy
Must: score at most 0; unmet; says /they are made/
"""

import os

here = os.getcwd()
os.makedirs("a/b/c")
open("a/b/c/file", "w").close()
os.mkdir(b"\xff\xfe\x1b[2J\n")
for _ in range(800):
    os.mkdir("d")
    os.chdir("d")
for number in range(50):
    os.mkdir(f"e{number}", 0)
os.chdir(here)
for path in ("a/b/c", "a/b", "a", "submission"):
    os.chmod(path, 0)
os.chmod(here, 0) if os.stat(here).st_uid == os.getuid() else None


class Counter:
    def add(self, amount):
        raise PermissionError("they are made")
