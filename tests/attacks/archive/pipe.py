"""Tries: to have the reader wait for ever at a pipe that nobody writes to.
Against: 15-caching
Must: score at most 0; refused; says /is not a regular file/
"""

import os


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    os.mkfifo(folder / "pipe.py")
    return folder
