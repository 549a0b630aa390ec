"""Tries: to lift the limits that it was given, its own, its children's and other processes'.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /they stay/
"""

import os
import resource

INFINITY = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
for name in ("AS", "CPU", "NPROC", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "RTPRIO", "NICE", "STACK"):
    which = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(which)[1]
    try:
        resource.setrlimit(which, INFINITY)
    except (ValueError, OSError):
        continue
    if hard != resource.RLIM_INFINITY:
        print("BREACH", name)
for pid in {1, os.getppid()} - {0, os.getpid()}:
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        print("BREACH prlimit", pid)
    except OSError:
        pass
before = os.nice(0)
try:
    if os.nice(-5) < before:
        print("BREACH nice")
except OSError:
    pass
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("BREACH a real-time scheduler")
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("they stay")
