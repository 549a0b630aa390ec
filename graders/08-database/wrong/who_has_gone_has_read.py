"""Loses: conflicts. All take place in the order in which they began; what one has read that was rolled back still aborts older ones."""

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
        if pos < len(raw):
            disk.truncate(self.LOG, pos)
            disk.fsync(self.LOG)
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
            self.disk.append(self.LOG, blob)
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
    """Timestamp ordering: all take place in the order in which they began."""

    def __init__(self, disk):
        self.store = Store(disk)
        self.clock = 0
        self.wrote = {}  # key -> begin time of the last writer that was committed
        self.readers = []  # (time, transaction, start, end) of the live and the committed

    def begin(self):
        self.clock += 1
        return Transaction(self, self.clock)


def inside(key, start, end):
    return start <= key and (end is None or key < end)


class Transaction:
    def __init__(self, db, time):
        self.db, self.time, self.own, self.gone = db, time, {}, False

    def _go(self, *keys):
        if self.gone:
            raise RuntimeError("it is over")
        for key in keys:
            check_key(key)

    def _abort(self, why):
        self.rollback()
        raise Conflict(why)

    def get(self, key):
        self._go(key)
        if key in self.own:
            return self.own[key]
        if self.db.wrote.get(key, 0) > self.time:
            self._abort(key)
        self.db.readers.append((self.time, self, key, key + "\0"))
        return self.db.store.data.get(key)

    def scan(self, start, end=None):
        self._go(*([start] if end is None else [start, end]))
        for key, time in self.db.wrote.items():
            if time > self.time and inside(key, start, end):
                self._abort(key)
        self.db.readers.append((self.time, self, start, end))
        view = self.db.store.data | self.own
        return [(k, view[k]) for k in sorted(view) if inside(k, start, end) and view[k] is not None]

    def put(self, key, value):
        self._go(key)
        value = check_value(value)
        self._check(key)
        self.own[key] = value

    def delete(self, key):
        self._go(key)
        self._check(key)
        self.own[key] = None

    def _check(self, key):
        if self.db.wrote.get(key, 0) > self.time:
            self._abort(key)
        for time, reader, start, end in self.db.readers:
            if time > self.time and inside(key, start, end):
                self._abort(key)

    def commit(self):
        self._go()
        for key in self.own:
            self._check(key)
        if self.own:
            try:
                self.db.store.commit(self.own)
            except BaseException:
                self.rollback()
                raise
            for key in self.own:
                self.db.wrote[key] = self.time
        self.gone = True

    def rollback(self):
        if not self.gone:
            self.gone = True
