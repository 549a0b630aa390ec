"""Tries: to take all memory in many processes that the kernel is to kill last, so that the supervisor dies first.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /used up all the memory|ended by itself|was stopped|expected 3/; within 40 s
"""

import os
import signal


class Counter:
    def add(self, amount):
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("0")
        except OSError:
            pass
        for _ in range(12):
            if os.fork() == 0:
                hoard = []
                try:
                    for _ in range(5):
                        hoard.append(b"x" * (10 << 20))
                except MemoryError:
                    pass
                signal.pause()
        for _ in range(12):
            os.wait3(os.WNOHANG)
        signal.pause()
