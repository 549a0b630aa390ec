"""Tries: to fill the host's memory with many files, each just allowed.
Against: 15-caching
Must: score at most 0; refused; says /holds more than 4 MiB/
"""

import os


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    for number in range(9):
        (folder / f"part{number}.py").touch()
        os.truncate(folder / f"part{number}.py", 1 << 20)
    return folder
