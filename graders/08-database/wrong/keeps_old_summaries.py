"""Loses: compact. A summary that a crash has kept from being deleted is never deleted."""

import json, zlib, base64


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


def enc(key):
    return key.encode("utf-8", "surrogatepass")


def pack(kind, items):
    lines = [kind.encode()]
    out = b""
    for key, value in items:
        raw = enc(key)
        out += b"%d %d\n" % (len(raw), -1 if value is None else len(value)) + raw + (value or b"")
    body = kind.encode() + b"\n" + out
    return b"%08x%08x" % (zlib.crc32(body), len(body)) + body


def unpack(kind, data):
    """The pairs, or None."""
    try:
        crc, length = int(data[:8], 16), int(data[8:16], 16)
    except ValueError:
        return None
    if data[:16] != b"%08x%08x" % (crc, length):
        return None
    body = data[16:]
    if len(body) != length or zlib.crc32(body) != crc:
        return None
    head = kind.encode() + b"\n"
    if not body.startswith(head):
        return None
    i, items = len(head), []
    while i < length:
        j = body.index(b"\n", i)
        k, v = map(int, body[i:j].split())
        i = j + 1
        key = body[i : i + k].decode("utf-8", "surrogatepass")
        i += k
        if v < 0:
            items.append((key, None))
        else:
            items.append((key, body[i : i + v]))
            i += v
    return items


class Database:
    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        self.readers = {}  # key -> set of transactions
        self.writers = {}  # key -> transaction
        self.ranges = []  # (start, end, transaction)
        names = disk.names()
        if "new" in names:
            disk.delete("new")
        snaps = sorted(int(n[1:]) for n in names if n[0] == "s")
        commits = sorted(int(n[1:]) for n in names if n[0] == "c")
        base = 0
        if snaps:
            base = snaps[-1]
            items = unpack(f"s{base}", disk.read(self.name("s", base)))
            if items is None:
                raise Corrupt("snapshot")
            self.data.update(items)
        for n in commits:
            if n <= base:
                disk.delete(self.name("c", n))
        self.base = base
        todo = [n for n in commits if n > base]
        self.last = base
        self.bytes = 0
        for n in todo:
            if n != self.last + 1:
                raise Corrupt("a commit is missing")
            name = self.name("c", n)
            data = disk.read(name)
            items = unpack(name, data)
            if items is None:
                if n != todo[-1]:
                    raise Corrupt(name)
                disk.delete(name)
                break
            if n == todo[-1]:
                disk.fsync(name)
            self.last = n
            self.bytes += len(data)
            self.install(items)

    @staticmethod
    def name(kind, n):
        return f"{kind}{n:012d}"

    def install(self, items):
        for key, value in items:
            if value is None:
                self.data.pop(key, None)
            else:
                self.data[key] = value

    def begin(self):
        return Transaction(self)

    def store(self, writes):
        disk = self.disk
        n = self.last + 1
        name = self.name("c", n)
        raw = pack(name, writes.items())
        try:
            disk.append(name, raw)
        except OSError:
            if name in disk.names():
                disk.delete(name)
            raise
        disk.fsync(name)
        self.last = n
        self.bytes += len(raw)
        self.install(writes.items())
        live = sum(len(enc(k)) + len(v) + 64 for k, v in self.data.items())
        if self.bytes > live + 4096:
            self.compact()

    def compact(self):
        disk = self.disk
        raw = pack(f"s{self.last}", self.data.items())
        try:
            disk.append("new", raw)
        except OSError:
            if "new" in disk.names():
                disk.delete("new")
            return
        disk.fsync("new")
        disk.rename("new", self.name("s", self.last))
        old = self.base
        self.base = self.last
        self.bytes = 0
        for name in disk.names():
            if name[0] == "c" or name == self.name("s", old):
                disk.delete(name)


class Transaction:
    def __init__(self, db):
        self.db, self.writes, self.over, self.read = db, {}, False, set()

    def check(self):
        if self.over:
            raise RuntimeError("over")

    def end(self):
        self.over = True
        db = self.db
        for key in self.read:
            db.readers[key].discard(self)
            if not db.readers[key]:
                del db.readers[key]
        for key in [k for k, t in db.writers.items() if t is self]:
            del db.writers[key]
        db.ranges = [r for r in db.ranges if r[2] is not self]

    def conflict(self, key):
        self.end()
        raise Conflict(key)

    def get(self, key):
        self.check()
        if self.db.writers.get(key, self) is not self:
            self.conflict(key)
        self.db.readers.setdefault(key, set()).add(self)
        self.read.add(key)
        return self.writes[key] if key in self.writes else self.db.data.get(key)

    def lock(self, key):
        self.check()
        db = self.db
        if db.writers.get(key, self) is not self:
            self.conflict(key)
        if db.readers.get(key, set()) - {self}:
            self.conflict(key)
        for start, end, t in db.ranges:
            if t is not self and start <= key and (end is None or key < end):
                self.conflict(key)
        db.writers[key] = self

    def put(self, key, value):
        self.lock(key)
        self.writes[key] = bytes(value)

    def delete(self, key):
        self.lock(key)
        self.writes[key] = None

    def scan(self, start, end=None):
        self.check()
        db = self.db
        for key, t in db.writers.items():
            if t is not self and start <= key and (end is None or key < end):
                self.conflict(key)
        db.ranges.append((start, end, self))
        view = {**db.data, **self.writes}
        return [(k, view[k]) for k in sorted(view) if view[k] is not None and start <= k and (end is None or k < end)]

    def commit(self):
        self.check()
        if not self.writes:
            self.end()
            return
        try:
            self.db.store(self.writes)
        finally:
            self.end()

    def rollback(self):
        if not self.over:
            self.end()
