"""Tries: to have the grader's disk fill a gap of gigabytes with zeros, by one byte that is written far out.
Against: 08-database (basics)
Must: score at most 0; unmet; says /raised OSError: No space left on device/
"""


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


class Database:
    def __init__(self, disk):
        self.disk = disk

    def begin(self):
        self.disk.append("log", b"x")
        for offset in (1 << 28, 1 << 34, 1 << 63, 10**400):
            try:
                self.disk.write("log", offset, b"x")
                print("BREACH", offset)
            except OSError:
                pass
        self.disk.write("log", 1 << 40, b"x")
