"""Loses: serializable. A graph of who read and overwrote what; that one was committed before another began is not in it."""

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
    """Serialization graph testing: aborts only where a commit would close a cycle."""

    def __init__(self, disk):
        self.store = Store(disk)
        self.time = 0
        self.done = []  # committed ones that still matter
        self.live = {}
        self.versions = {k: [(None, v)] for k, v in self.store.data.items()}  # key -> [(writer, value)]
        self.serial = 0

    def begin(self):
        self.time += 1
        t = Transaction(self)
        self.live[t.id] = t
        return t

    def last(self, key):
        chain = self.versions.get(key)
        return chain[-1] if chain else (None, None)

    def edges(self, nodes):
        """Who comes before whom among the nodes; a node has .reads {key: writer}, .spans, .order (commit), .begun"""
        out = {n: set() for n in nodes}
        by = {n.id: n for n in nodes}
        for a in nodes:
            for b in nodes:
                if a is b:
                    continue
                common = a.writes.keys() & b.writes.keys()
                if common and a.rank < b.rank:
                    out[a].add(b)
                # a read something that b has written
                for key in b.writes:
                    if a.has_read(key):
                        if a.read_time(key) >= b.rank:
                            out[b].add(a)
                        else:
                            out[a].add(b)
        return out

    def cyclic(self, nodes, start):
        out = self.edges(nodes)
        todo, seen = [start], set()
        while todo:
            for n in out[todo.pop()]:
                if n is start:
                    return True
                if n not in seen:
                    seen.add(n)
                    todo.append(n)
        return False

    def prune(self):
        # a committed one matters while somebody lives who overlapped with it, or with one who did
        changed = True
        keep = set()
        horizon = min((t.begun for t in self.live.values()), default=self.time + 1)
        while changed:
            changed = False
            for d in self.done:
                if d not in keep and d.ended > horizon:
                    keep.add(d)
                    if d.begun < horizon:
                        horizon = d.begun
                    changed = True
        self.done = [d for d in self.done if d in keep]


class Transaction:
    counter = 0

    def __init__(self, db):
        Transaction.counter += 1
        self.id = Transaction.counter
        self.db = db
        self.begun = db.time
        self.ended = None
        self.rank = float("inf")  # place among those that wrote
        self.writes = {}
        self.points = {}  # key -> time of the read (serial of commits seen)
        self.spans = []  # (start, end, serial)
        self.over = False

    def has_read(self, key):
        return key in self.points or any(s <= key and (e is None or key < e) for s, e, _ in self.spans)

    def read_time(self, key):
        times = [t for s, e, t in self.spans if s <= key and (e is None or key < e)]
        if key in self.points:
            times.append(self.points[key])
        return min(times)

    def stale(self, key):
        """It would read the present; what it has read of this key before must be the same version."""
        return self.has_read(key) and any(key in d.writes and d.rank > self.read_time(key) for d in self.db.done)

    def alive(self):
        if self.over:
            raise RuntimeError("over")

    def close(self):
        self.over = True
        self.db.live.pop(self.id, None)
        self.db.prune()

    def conflict(self, key):
        self.close()
        raise Conflict(key)

    def get(self, key):
        self.alive()
        check_key(key)
        if key in self.writes:
            return self.writes[key]
        if self.stale(key):
            self.conflict(key)
        self.points.setdefault(key, self.db.serial)
        return self.db.store.data.get(key)

    def scan(self, start, end=None):
        self.alive()
        check_key(start)
        if end is not None:
            check_key(end)
        for d in self.db.done:
            for key in d.writes:
                if start <= key and (end is None or key < end) and self.stale(key):
                    self.conflict(key)
        self.spans.append((start, end, self.db.serial))
        both = {**self.db.store.data, **self.writes}
        return [(k, both[k]) for k in sorted(both) if start <= k and (end is None or k < end) and both[k] is not None]

    def put(self, key, value):
        self.alive()
        check_key(key)
        self.writes[key] = check_value(value)

    def delete(self, key):
        self.alive()
        check_key(key)
        self.writes[key] = None

    def commit(self):
        self.alive()
        db = self.db
        db.time += 1
        self.ended = db.time
        self.rank = db.serial + 1
        if db.cyclic([*db.done, self], self):
            self.ended = None
            self.close()
            raise Conflict("no order is left")
        if self.writes:
            try:
                db.store.commit(self.writes)
            except BaseException:
                self.close()
                raise
            db.serial += 1
        else:
            self.rank = db.serial + 0.5
        db.done.append(self)
        self.close()

    def rollback(self):
        if not self.over:
            self.close()
