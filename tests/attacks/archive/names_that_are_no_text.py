"""Tries: to break whatever shows or stores its names: bytes that are no UTF-8.
Against: 15-caching
Must: score at most 0; refused; says /is not a name that a submission may have/
"""

import os


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    open(os.fsencode(folder) + b"/\xff\xfe.py", "w").close()
    return folder
