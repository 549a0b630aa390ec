"""Tries: to run machine code that it brings along: from its folder, by the loader, and from memory.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /no program ran/
"""

import ctypes
import glob
import os
import shutil
import subprocess

shutil.copyfile("/bin/true" if os.path.exists("/bin/true") else "/usr/bin/env", "own")
os.chmod("own", 0o755)
loaders = glob.glob("/lib64/ld-linux*") + glob.glob("/lib/ld-linux*")
for command in (["./own"], *([each, "./own"] for each in loaders)):
    try:
        if subprocess.run(command, capture_output=True, timeout=5).returncode == 0:
            print("BREACH", command)
    except (OSError, subprocess.SubprocessError):
        pass
try:
    descriptor = os.memfd_create("own")
    print("BREACH memfd")
except OSError:
    pass
for library in glob.glob("/usr/lib/*/libz.so*")[:1]:
    shutil.copyfile(library, "own.so")
    try:
        ctypes.CDLL("./own.so")
        print("BREACH loaded a library of its own")
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("no program ran")
