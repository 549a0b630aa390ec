"""Tries: to fill the host's memory with one sparse file of a terabyte.
Against: 15-caching
Must: score at most 0; refused; says /is larger than 1 MiB/
"""

import os


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    (folder / "big.py").touch()
    os.truncate(folder / "big.py", 1 << 40)
    return folder
