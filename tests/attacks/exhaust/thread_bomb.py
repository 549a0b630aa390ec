"""Tries: to start threads without end.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /can't start new thread|was stopped/
"""

import threading
import time


class Counter:
    def add(self, amount):
        while True:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
