"""Tries: to have the reader recurse without end, through hundreds of folders.
Against: 15-caching
Must: score at most 0; refused; says /is not a name that a submission may have/
"""

import os


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    here = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(300):
            os.mkdir("d")
            os.chdir("d")
        open("deep.py", "w").close()
    finally:
        os.chdir(here)
    return folder
