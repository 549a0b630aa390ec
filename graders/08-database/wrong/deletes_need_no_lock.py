"""Loses: serializable. Locks that nobody waits for; a key can be deleted out of a range that another has scanned."""

import hashlib
import json


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


def encode(data):
    return json.dumps({key: value.hex() for key, value in data.items()}).encode("ascii")


def decode(text):
    return {key: bytes.fromhex(value) for key, value in json.loads(text).items()}


class Database:
    FILE, NEXT = "data", "data.next"

    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        self.open = []
        names = disk.names()
        if self.NEXT in names:
            disk.delete(self.NEXT)
        if self.FILE in names:
            content = disk.read(self.FILE)
            digest, body = content[:32], content[32:]
            if hashlib.sha256(body).digest() != digest:
                raise Corrupt("the digest is another one")
            self.data = decode(body)

    def begin(self):
        transaction = Transaction(self)
        self.open.append(transaction)
        return transaction

    def replace(self, data):
        if data == self.data:
            return
        body = encode(data)
        try:
            self.disk.append(self.NEXT, hashlib.sha256(body).digest() + body)
        except OSError:
            if self.NEXT in self.disk.names():
                self.disk.delete(self.NEXT)
            raise
        self.disk.fsync(self.NEXT)
        self.disk.rename(self.NEXT, self.FILE)
        self.data = data


class Transaction:
    def __init__(self, database):
        self.database = database
        self.reads = set()
        self.ranges = []
        self.writes = {}
        self.active = True

    def check(self):
        if not self.active:
            raise RuntimeError("this transaction has ended")

    def others(self):
        return (each for each in self.database.open if each is not self)

    def abort(self):
        self.rollback()
        raise Conflict("somebody else has locked that")

    def lock_for_reading(self, inside):
        for other in self.others():
            if any(inside(key) for key in other.writes):
                self.abort()

    def lock_for_writing(self, key):
        for other in self.others():
            if key in other.writes or key in other.reads or any(inside(key) for inside in other.ranges):
                self.abort()

    def get(self, key):
        self.check()
        if key in self.writes:
            return self.writes[key]
        self.lock_for_reading(lambda other: other == key)
        self.reads.add(key)
        return self.database.data.get(key)

    def scan(self, start, end=None):
        self.check()

        def inside(key):
            return start <= key and (end is None or key < end)

        self.lock_for_reading(inside)
        self.ranges.append(inside)
        seen = {**self.database.data, **self.writes}
        return [(key, seen[key]) for key in sorted(seen) if inside(key) and seen[key] is not None]

    def put(self, key, value):
        self.check()
        self.lock_for_writing(key)
        self.writes[key] = value

    def delete(self, key):
        self.check()
        self.writes[key] = None

    def commit(self):
        self.check()
        try:
            merged = {**self.database.data, **self.writes}
            if self.writes:
                self.database.replace({key: value for key, value in merged.items() if value is not None})
        finally:
            self.rollback()

    def rollback(self):
        if self.active:
            self.active = False
            self.database.open.remove(self)
