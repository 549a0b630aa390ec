"""Loses: recover-again. Which of two headers is overwritten goes by a count that each opening begins anew: the first may be the only good one.

May lose: durable, atomic"""

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
    """One file: two slots that say how long the log is, then the log. Two fsyncs a commit: log, slot."""
    SLOT = struct.Struct(">QQI")  # seq, end, crc
    START = 64

    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        self.seq = 0
        self.end = 0
        self.turn = 0
        if "building" in disk.names():
            disk.delete("building")
        if "db" not in disk.names():
            self.fresh = True
            return
        self.fresh = False
        raw = disk.read("db")
        slots = [s for s in (self.slot(raw, 0), self.slot(raw, 32)) if s]
        if not slots:
            raise Corrupt("both slots")
        self.seq, self.end = max(slots)
        if self.end > len(raw):
            raise Corrupt("too short")
        pos = self.START
        while pos < self.end:
            if pos + 8 > self.end:
                raise Corrupt("log")
            length, crc = struct.unpack_from(">II", raw, pos)
            body = raw[pos + 8:pos + 8 + length]
            if pos + 8 + length > self.end or zlib.crc32(body) != crc:
                raise Corrupt("log")
            apply(self.data, dec_writes(body))
            pos += 8 + length
        if len(raw) > self.end:
            disk.truncate("db", self.end)
        disk.fsync("db")

    def slot(self, raw, at):
        if len(raw) < at + 20:
            return None
        seq, end, crc = self.SLOT.unpack_from(raw, at)
        if zlib.crc32(raw[at:at + 16]) != crc:
            return None
        return seq, end

    def pack(self, seq, end):
        raw = struct.pack(">QQ", seq, end)
        return raw + struct.pack(">I", zlib.crc32(raw))

    def frame(self, writes):
        body = enc_writes(writes)
        return struct.pack(">II", len(body), zlib.crc32(body)) + body

    def rebuild(self, after):
        rec = self.frame(after)
        end = self.START + len(rec)
        s = self.pack(self.seq + 1, end) + bytes(12)
        self.disk.append("building", s + s + rec)
        self.disk.fsync("building")
        self.disk.rename("building", "db")
        self.seq += 1
        self.end = end
        self.fresh = False
        self.data = after

    def commit(self, writes):
        after = dict(self.data)
        apply(after, writes)
        rec = self.frame(writes)
        if self.fresh:
            return self.rebuild(after)
        if self.end + len(rec) > limit_bytes(*held(after)):
            try:
                return self.rebuild(after)
            except OSError:
                pass
        try:
            self.disk.append("db", rec)
        except OSError:
            return self.rebuild(after)
        self.disk.fsync("db")
        # second step: the slot of the parity
        try:
            self.disk.write("db", 32 * self.turn, self.pack(self.seq + 1, self.end + len(rec)))
            self.turn = 1 - self.turn
        except OSError:
            try:
                return self.rebuild(after)
            except OSError:
                self.disk.truncate("db", self.end)
                self.disk.fsync("db")
                raise
        self.disk.fsync("db")
        self.seq += 1
        self.end += len(rec)
        self.data = after


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
