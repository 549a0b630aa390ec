"""Tries: to get other rights: set-uid copies, set-uid programs, saved ids, ambient capabilities.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /it stays who it is/
"""

import ctypes
import glob
import os
import shutil
import stat
import subprocess

before = os.getresuid()
for uid in (0, 1, 1000, before[0] + 1, before[0] - 1, 65534):
    for change in (os.setuid, os.seteuid, lambda u: os.setresuid(u, u, u), lambda u: os.setgid(u) if u == 0 else None):
        try:
            change(uid)
        except OSError:
            pass
if os.getresuid() != before:
    print("BREACH", os.getresuid())
libc = ctypes.CDLL(None, use_errno=True)
for capability in range(41):
    if libc.prctl(47, 2, capability, 0, 0) == 0:
        print("BREACH ambient", capability)
try:
    shutil.copy("/bin/sh", "sh")
    os.chmod("sh", 0o6755)
    subprocess.run(["./sh", "-p", "-c", "id"], check=True)
    print("BREACH it ran a program of its own")
except OSError:
    pass
for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*"):
    mode = os.stat(path).st_mode if os.path.exists(path) else 0
    if mode & stat.S_ISUID:
        try:
            done = subprocess.run([path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=5)
        except (OSError, subprocess.SubprocessError):
            continue
        break
try:
    os.setgroups([0])
    print("BREACH groups")
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("it stays who it is")
