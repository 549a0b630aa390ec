"""Tries: to kill every process that it may.
Against: 01-toy
Must: score at most 0; unmet; says /ended by itself: killed by SIGKILL|everybody lives|No such process/
"""

import os
import signal


class Counter:
    def add(self, amount):
        os.kill(-1, signal.SIGKILL)
        os.kill(0, signal.SIGKILL)
        raise SystemError("everybody lives")
