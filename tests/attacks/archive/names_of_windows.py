"""Tries: to leave its folder where backslashes, drives and streams mean something.
Against: 15-caching
Must: score at most 0; refused; says /is not a name that a submission may have/
"""


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    (folder / "x..\\..\\C:evil.py").touch()
    return folder
