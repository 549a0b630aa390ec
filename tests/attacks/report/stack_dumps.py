"""Tries: to write the stack dump itself that tells where it was stopped.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /was stopped/
"""

import os
import signal
import stat

FAKE = b'  File "/submission/<script>\x1b[2J.py", line 7 in <b>owned</b>\n' * 3
signal.signal(signal.SIGUSR2, signal.SIG_IGN)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        for number in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    os.write(number, FAKE)
            except OSError:
                pass
        while True:
            pass
