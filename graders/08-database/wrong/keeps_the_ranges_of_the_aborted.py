"""Loses: conflicts. Locks that nobody waits for; those on ranges stay when a Conflict ends a transaction.

May lose: serializable, isolation, rollback"""

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


class _Locks:
    """Strict two-phase locking; there is nothing to wait for, so who would have to wait is aborted."""

    def __init__(self):
        self.shared = {}  # key -> set of owners
        self.exclusive = {}  # key -> owner
        self.ranges = {}  # owner -> [(start, end)]

    def read(self, who, key):
        if self.exclusive.get(key, who) is not who:
            raise Conflict(f"{key!r} is being written")
        self.shared.setdefault(key, set()).add(who)

    def read_range(self, who, start, end):
        for key, owner in self.exclusive.items():
            if owner is not who and key >= start and (end is None or key < end):
                raise Conflict(f"{key!r} in the range is being written")
        self.ranges.setdefault(who, []).append((start, end))

    def write(self, who, key):
        if self.exclusive.get(key, who) is not who:
            raise Conflict(f"{key!r} is being written")
        if self.shared.get(key, set()) - {who}:
            raise Conflict(f"{key!r} is being read")
        for owner, spans in self.ranges.items():
            if owner is not who and any(s <= key and (e is None or key < e) for s, e in spans):
                raise Conflict(f"{key!r} lies in a range that is being read")
        self.exclusive[key] = who

    def release(self, who):
        self.ranges.pop(who, None)
        self.exclusive = {k: o for k, o in self.exclusive.items() if o is not who}
        for owners in self.shared.values():
            owners.discard(who)
        self.shared = {k: o for k, o in self.shared.items() if o}


class Database:
    def __init__(self, disk):
        self._store = Store(disk)
        self._locks = _Locks()

    def begin(self):
        return Transaction(self._store, self._locks)


class Transaction:
    def __init__(self, store, locks):
        self._store, self._locks = store, locks
        self._own = {}
        self._done = False

    def __enter__(self):
        if self._done:
            raise RuntimeError("over")
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and not issubclass(kind, (ValueError, TypeError)):
            spans = self._locks.ranges.get(self)
            self.rollback()
            if spans and issubclass(kind, Conflict):
                self._locks.ranges[object()] = spans
        return False

    def get(self, key):
        with self:
            check_key(key)
            if key in self._own:
                return self._own[key]
            self._locks.read(self, key)
            return self._store.data.get(key)

    def put(self, key, value):
        with self:
            check_key(key)
            value = check_value(value)
            self._locks.write(self, key)
            self._own[key] = value

    def delete(self, key):
        with self:
            check_key(key)
            self._locks.write(self, key)
            self._own[key] = None

    def scan(self, start, end=None):
        with self:
            check_key(start)
            if end is not None:
                check_key(end)
            self._locks.read_range(self, start, end)
            out = []
            for key in sorted(set(self._store.data) | set(self._own)):
                if key >= start and (end is None or key < end):
                    value = self._own[key] if key in self._own else self._store.data[key]
                    if value is not None:
                        out.append((key, value))
            return out

    def commit(self):
        with self:
            if self._own:
                self._store.commit(self._own)
            self.rollback()

    def rollback(self):
        if not self._done:
            self._done = True
            self._locks.release(self)
