"""Tries: to command the terminal that shows its names, and to turn them around.
Against: 15-caching
Must: score at most 0; refused; says /is not a name that a submission may have/
"""


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    (folder / "a\x1b[2J\u202eyp.\n100 of 100.py").touch()
    return folder
