"""Loses: basics, rollback, fsyncs, compact, durable, atomic, recover-again, rot, disk-full, recovery-cost. It keeps all in memory.

May lose: conflicts"""


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


class Database:
    def __init__(self, disk):
        self.disk = disk
        self.content = {}
        self.commits = 0

    def begin(self):
        return Transaction(self)


class Transaction:
    def __init__(self, database):
        self.database = database
        self.seen = dict(database.content)
        self.began = database.commits
        self.writes = {}
        self.over = False

    def _look(self):
        if self.over:
            raise RuntimeError("This transaction is over.")

    def get(self, key):
        self._look()
        return self.writes[key] if key in self.writes else self.seen.get(key)

    def put(self, key, value):
        self._look()
        self.writes[key] = value

    def delete(self, key):
        self._look()
        self.writes[key] = None

    def scan(self, start, end=None):
        self._look()
        pairs = sorted((self.seen | self.writes).items())
        return [(k, v) for k, v in pairs if v is not None and start <= k and (end is None or k < end)]

    def commit(self):
        self._look()
        self.over = True
        if not self.writes:
            return
        if self.database.commits != self.began:
            raise Conflict("Somebody else has committed meanwhile.")
        self.database.commits += 1
        for key, value in self.writes.items():
            if value is None:
                self.database.content.pop(key, None)
            else:
                self.database.content[key] = value

    def rollback(self):
        self.over = True
