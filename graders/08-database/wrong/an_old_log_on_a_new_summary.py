"""Loses: atomic. A summary and the log before it have nothing that tells them apart: after a crash between the two the old log is replayed on it.

May lose: durable, recover-again, rot"""

import bisect
import struct
import zlib


class Conflict(Exception):
    """This transaction was aborted because of another one: try it again."""


class Corrupt(Exception):
    """What is on the disk isn't what was written."""


def limit_bytes(n, k):
    return 2 * (n + 64 * k) + 8192


def enc_writes(writes):
    out = [struct.pack(">I", len(writes))]
    for key, value in writes.items():
        kb = key.encode("utf-8")
        if value is None:
            out.append(struct.pack(">BII", 0, len(kb), 0) + kb)
        else:
            out.append(struct.pack(">BII", 1, len(kb), len(value)) + kb + value)
    return b"".join(out)


def dec_writes(blob):
    try:
        (count,) = struct.unpack_from(">I", blob, 0)
        pos = 4
        writes = {}
        for _ in range(count):
            kind, kl, vl = struct.unpack_from(">BII", blob, pos)
            pos += 9
            if pos + kl + vl > len(blob):
                raise Corrupt("record is short")
            key = blob[pos:pos + kl].decode("utf-8")
            pos += kl
            writes[key] = bytes(blob[pos:pos + vl]) if kind else None
            pos += vl
        if pos != len(blob):
            raise Corrupt("record is long")
        return writes
    except (struct.error, UnicodeDecodeError) as e:
        raise Corrupt(str(e)) from e


def apply(data, writes):
    for key, value in writes.items():
        if value is None:
            data.pop(key, None)
        else:
            data[key] = value


def held(data):
    return sum(len(k.encode()) + len(v) for k, v in data.items()), len(data)


def check_key(key):
    if not isinstance(key, str):
        raise TypeError("a key is text")
    key.encode("utf-8")  # UnicodeEncodeError is a ValueError


def check_value(value):
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("a value is bytes")
    return bytes(value)


class Store:
    """Snapshot-G + log-G; the log's records are chained: each crc starts from the one before it."""

    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        gens = sorted(int(n.split("-")[1]) for n in disk.names() if n.startswith("snap-"))
        self.gen = gens[-1] if gens else 0
        if gens:
            raw = disk.read(self.sname)
            if len(raw) < 4 or zlib.crc32(raw[4:], self.gen) != int.from_bytes(raw[:4], "little"):
                raise Corrupt("snapshot")
            self.data = dec_writes(raw[4:])
            self.base = len(raw)
        else:
            self.base = 0
        for name in disk.names():
            if name not in (self.sname, self.lname):
                disk.delete(name)
        self.chain = zlib.crc32(b"gen%d" % self.gen)
        self.len = 0
        if self.lname in disk.names():
            self.replay()

    sname = "snap-0"
    lname = "wal-0"

    def replay(self):
        raw = self.disk.read(self.lname)
        pos = 0
        while pos < len(raw):
            got = self.parse(raw, pos, self.chain)
            if got is None:
                # torn, or rot? rot leaves something whole behind: the same record with one bit changed back
                self.judge(raw, pos)
                break
            body, self.chain = got
            apply(self.data, dec_writes(body))
            pos += 16 + len(body)
        if pos != len(raw):
            self.disk.truncate(self.lname, pos)
        self.disk.fsync(self.lname)
        self.len = pos

    @staticmethod
    def frame(body, chain):
        size = struct.pack("<I", len(body))
        crc = zlib.crc32(body, chain)
        return size * 3 + struct.pack("<I", crc) + body, crc

    @staticmethod
    def parse(raw, pos, chain):
        if pos + 16 > len(raw):
            return None
        a, b, c, crc = struct.unpack_from("<IIII", raw, pos)
        if not a == b == c or pos + 16 + a > len(raw):
            return None
        body = raw[pos + 16:pos + 16 + a]
        new = zlib.crc32(body, chain)
        return (body, new) if new == crc else None

    def judge(self, raw, pos):
        if len(raw) - pos < 16:
            return
        a, b, c, crc = struct.unpack_from("<IIII", raw, pos)
        for x, y in ((a, b), (b, c), (a, c)):
            if x == y and x and pos + 16 + x < len(raw):
                raise Corrupt("log")

    def commit(self, writes):
        blob, crc = self.frame(enc_writes(writes), self.chain)
        after = dict(self.data)
        apply(after, writes)
        n, k = held(after)
        if self.base + self.len + len(blob) > limit_bytes(n, k):
            try:
                self.fold(after)
                self.data = after
                return
            except OSError:
                pass
        try:
            self.disk.append(self.lname, blob)
        except OSError:
            self.fold(after)
            self.data = after
            return
        self.disk.fsync(self.lname)
        self.len += len(blob)
        self.chain = crc
        self.data = after

    def fold(self, data):
        """The commit itself writes the new snapshot; its rename is the commit."""
        body = enc_writes(data)
        blob = struct.pack("<I", zlib.crc32(body, self.gen)) + body
        if "new" in self.disk.names():
            self.disk.delete("new")
        self.disk.append("new", blob)
        self.disk.fsync("new")
        old = (self.sname, self.lname)
        self.disk.rename("new", self.sname)
        for name in old[1:]:
            if name in self.disk.names():
                self.disk.delete(name)
        self.base, self.len = len(blob), 0
        self.chain = zlib.crc32(b"gen%d" % self.gen)


class Database:
    """Multi-version optimistic: reads the snapshot of its beginning, is checked at commit."""

    def __init__(self, disk):
        self.store = Store(disk)
        self.now = 0
        self.versions = {k: [(0, v)] for k, v in self.store.data.items()}
        self.keys = sorted(self.versions)
        self.log = []  # (time, set of keys)
        self.active = {}

    def begin(self):
        tx = Transaction(self)
        self.active[id(tx)] = tx
        return tx

    def at(self, key, time):
        for t, v in reversed(self.versions.get(key, ())):
            if t <= time:
                return v
        return None

    def install(self, writes):
        self.now += 1
        for key, value in writes.items():
            if key not in self.versions:
                self.versions[key] = []
                bisect.insort(self.keys, key)
            self.versions[key].append((self.now, value))
        self.log.append((self.now, frozenset(writes)))
        self.prune(writes)

    def prune(self, keys):
        oldest = min((t.start for t in self.active.values()), default=self.now)
        self.log = [e for e in self.log if e[0] > oldest]
        for key in list(keys):
            chain = self.versions[key]
            while len(chain) > 1 and chain[1][0] <= oldest:
                del chain[0]
            if len(chain) == 1 and chain[0][1] is None and chain[0][0] <= oldest:
                del self.versions[key]
                del self.keys[bisect.bisect_left(self.keys, key)]


class Transaction:
    def __init__(self, db):
        self.db = db
        self.start = db.now
        self.writes = {}
        self.reads = set()
        self.ranges = []
        self.over = False

    def _live(self):
        if self.over:
            raise RuntimeError("the transaction is over")

    def _end(self):
        self.over = True
        self.db.active.pop(id(self), None)

    def get(self, key):
        self._live()
        check_key(key)
        if key in self.writes:
            return self.writes[key]
        self.reads.add(key)
        return self.db.at(key, self.start)

    def put(self, key, value):
        self._live()
        check_key(key)
        self.writes[key] = check_value(value)

    def delete(self, key):
        self._live()
        check_key(key)
        self.writes[key] = None

    def scan(self, start, end=None):
        self._live()
        check_key(start)
        if end is not None:
            check_key(end)
        self.ranges.append((start, end))
        keys = self.db.keys
        lo = bisect.bisect_left(keys, start)
        hi = len(keys) if end is None else bisect.bisect_left(keys, end)
        found = {}
        for key in keys[lo:hi]:
            found[key] = self.db.at(key, self.start)
        for key, value in self.writes.items():
            if start <= key and (end is None or key < end):
                found[key] = value
        return [(k, found[k]) for k in sorted(found) if found[k] is not None]

    def commit(self):
        self._live()
        if not self.writes:
            self._end()
            return
        for time, keys in self.db.log:
            if time > self.start:
                for key in keys:
                    if key in self.reads or any(s <= key and (e is None or key < e) for s, e in self.ranges):
                        self._end()
                        raise Conflict(key)
        self._end()
        self.db.store.commit(self.writes)
        self.db.install(self.writes)

    def rollback(self):
        if not self.over:
            self._end()
