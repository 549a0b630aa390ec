"""Tries: to have one file overwrite another where names differ only by case.
Against: 15-caching
Must: score at most 0; refused; says /differ only by case/
"""


def build(folder):
    for name in ("cache_aside.py", "Cache_Aside.py"):
        (folder / name).write_text("class CacheAside: pass\n")
    return folder
