"""Tries: to hang without being dead or alive: it stops itself and all that it started.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped|got None|ended by itself/
"""

import os
import signal


class Counter:
    def add(self, amount):
        for _ in range(3):
            if os.fork() == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
