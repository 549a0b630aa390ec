"""Tries: to have a folder stand where the main file should.
Against: 15-caching
Must: score at most 0; refused; says /holds no cache_aside.py/
"""


def build(folder):
    (folder / "cache_aside.py").mkdir()
    (folder / "cache_aside.py" / "__init__.py").write_text("class CacheAside: pass\n")
    return folder
