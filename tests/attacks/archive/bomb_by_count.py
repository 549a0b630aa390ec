"""Tries: to keep the host busy with very many empty files.
Against: 15-caching
Must: score at most 0; refused; says /holds more than 200 files/
"""


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    for number in range(500):
        (folder / f"f{number}.py").touch()
    return folder
