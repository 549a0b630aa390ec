"""Loses: recover-again. What is torn stays where it is, and the next record is written over it; what is longer stays behind it.

May lose: durable, rot, atomic"""

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


HDR = struct.Struct(">IIQI")


def header(length, pcrc, seq):
    raw = struct.pack(">IIQ", length, pcrc, seq)
    return raw + struct.pack(">I", zlib.crc32(raw))


def header_ok(raw):
    return len(raw) == 20 and zlib.crc32(raw[:16]) == struct.unpack(">I", raw[16:])[0]


def mend(raw):
    """The header one flipped bit away from raw, if any."""
    for bit in range(len(raw) * 8):
        trial = bytearray(raw)
        trial[bit // 8] ^= 1 << (bit % 8)
        if header_ok(bytes(trial)):
            return bytes(trial)
    return None


class Store:
    """One log; its first record may be a snapshot."""
    LOG, TMP = "log", "log.tmp"

    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        self.seq = 0
        self.n = self.k = 0
        names = disk.names()
        if self.TMP in names:
            disk.delete(self.TMP)
        self.size = 0
        if self.LOG not in names:
            return
        disk.fsync(self.LOG)
        raw = disk.read(self.LOG)
        pos = 0
        while pos < len(raw):
            head = raw[pos:pos + 20]
            good = header_ok(head)
            if not good:
                fixed = mend(head) if len(head) == 20 else None
                if fixed is not None:
                    length, _, seq, _ = HDR.unpack(fixed)
                    if pos + 20 + length < len(raw) or seq == self.SNAP:
                        raise Corrupt("a header is damaged")
                break
            length, pcrc, seq, _ = HDR.unpack(head)
            body = raw[pos + 20:pos + 20 + length]
            if len(body) < length or zlib.crc32(body) != pcrc:
                if pos + 20 + length < len(raw) or seq == self.SNAP:
                    raise Corrupt("a record is damaged")
                break
            if seq == self.SNAP:
                if pos:
                    raise Corrupt("snapshot in the middle")
            elif seq != self.seq + 1:
                raise Corrupt("a record is missing")
            else:
                self.seq = seq
            apply(self.data, dec_writes(body))
            pos += 20 + length
        self.size = pos
        self.n, self.k = held(self.data)

    SNAP = 2**63

    def account(self, writes):
        for key, value in writes.items():
            old = self.data.get(key)
            kl = len(key.encode())
            if old is not None:
                self.n -= kl + len(old)
                self.k -= 1
            if value is not None:
                self.n += kl + len(value)
                self.k += 1
        apply(self.data, writes)

    def snapshot(self, data):
        body = enc_writes(data)
        blob = header(len(body), zlib.crc32(body), self.SNAP) + body
        self.disk.append(self.TMP, blob)
        self.disk.fsync(self.TMP)
        self.disk.rename(self.TMP, self.LOG)
        self.seq = 0
        self.size = len(blob)

    def commit(self, writes):
        body = enc_writes(writes)
        blob = header(len(body), zlib.crc32(body), self.seq + 1) + body
        try:
            self.disk.write(self.LOG, self.size, blob)
        except OSError:
            after = dict(self.data)
            apply(after, writes)
            self.snapshot(after)  # another OSError goes to the caller
            self.account(writes)
            return
        self.disk.fsync(self.LOG)
        self.seq += 1
        self.size += len(blob)
        self.account(writes)
        if self.size > limit_bytes(self.n, self.k):
            try:
                self.snapshot(self.data)
            except OSError:
                pass


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
