"""Tries: to use up the number of files that all student processes share, and to keep it so while others start.
Against: 01-toy
Must: score at most 0; unmet; says /names ran out|used up what all of them share/
Inside: says /kept running without an answer|names ran out/

Nothing bounds the number of files inside: its CPU time does.
"""

import os


def fill():
    number = 0
    while number < 100_000:
        try:
            os.close(os.open(f"n{os.getpid()}-{number}", os.O_CREAT))
        except OSError:
            return
        number += 1


fill()


class Counter:
    def add(self, amount):
        fill()
        raise OSError("names ran out")
