"""Tries: to leave a core dump, with all of the memory that it was forked with, where it can be read.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /ended by itself: killed by SIG(ABRT|SEGV)/
"""

import os
import resource
import signal

try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("BREACH cores are allowed")
except (ValueError, OSError):
    pass
child = os.fork()
if child == 0:
    os.abort()
os.waitpid(child, 0)
if [name for name in os.listdir(".") if "core" in name]:
    print("BREACH a core")
signal.signal(signal.SIGABRT, signal.SIG_DFL)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        os.kill(os.getpid(), signal.SIGABRT)
        os.abort()
