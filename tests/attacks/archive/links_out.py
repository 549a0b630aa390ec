"""Tries: to hand in a link to a file of the host, to have it read and shown.
Against: 15-caching
Must: score at most 0; refused; says /is a link/
"""


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    (folder / "secret.py").symlink_to("/etc/passwd")
    return folder
