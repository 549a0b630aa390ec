"""Tries: to have the main file itself be a link out of the folder.
Against: 15-caching
Must: score at most 0; refused; says /is a link/
"""


def build(folder):
    (folder / "cache_aside.py").symlink_to("/etc/hostname")
    return folder
