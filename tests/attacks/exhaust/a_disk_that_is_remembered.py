"""Tries: to fill the grader's memory with the disk's history: a crash is tried at every change, and it makes millions.
Against: 08-database (atomic), in 40 s
Must: score at most 0; unmet; says /The disk was changed [\\d,]+ times|sent more than|was stopped|still busy/; within 90 s
"""


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


class Transaction:
    def __init__(self, disk):
        self.disk = disk

    def put(self, *values):
        pass

    def commit(self):
        for number in range(100_000):
            self.disk.write("log", number, b"x")

    get = delete = scan = rollback = put


class Database:
    def __init__(self, disk):
        self.disk = disk
        disk.append("log", bytes(1_000_000))

    def begin(self):
        return Transaction(self.disk)
