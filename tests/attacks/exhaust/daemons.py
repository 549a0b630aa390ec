"""Tries: to leave daemons behind that belong to no session, no group and no parent.
Against: 01-toy
Must: score at most 0; unmet; says /daemons are out/
"""

import os
import signal


def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.setsid() if os.getpid() != os.getsid(0) else None
    os.chdir("/")
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    for descriptor in range(256):
        try:
            os.close(descriptor)
        except OSError:
            pass
    while True:
        signal.pause()


for _ in range(5):
    daemon()


class Counter:
    def add(self, amount):
        raise SystemError("daemons are out")
