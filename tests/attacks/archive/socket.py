"""Tries: to hand in a socket, the device that anybody may make.
Against: 15-caching
Must: score at most 0; refused; says /is not a regular file/
"""

import os
import socket


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s.py")
    finally:
        os.chdir(here)
    return folder
