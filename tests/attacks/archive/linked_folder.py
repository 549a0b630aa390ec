"""Tries: to hand in a folder that is a link, so that what is written into it lands elsewhere.
Against: 15-caching
Must: score at most 0; refused; says /is a link/
"""


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    (folder / "into").symlink_to("/tmp", target_is_directory=True)
    return folder
