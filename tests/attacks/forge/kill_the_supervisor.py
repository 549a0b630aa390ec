"""Tries: to end the supervisor, so that half of its stream might pass for the whole.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nobody was ended/
"""

import os
import signal

for pid in {1, os.getppid(), *range(2, 60)} - {os.getpid(), 0}:
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(pid, number)
            print("BREACH", pid)
        except OSError:
            pass
        try:
            if pid > 1:  # of group 1 the C library makes "everybody", which succeeds also where it reaches nobody
                os.killpg(pid, number)
                print("BREACH group", pid)
        except OSError:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nobody was ended")
