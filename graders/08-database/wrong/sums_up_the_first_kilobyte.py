"""Loses: rot. The checksum covers the first kilobyte alone.

May lose: atomic, durable"""

import struct, zlib


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


DATA, TMP = "data", "tmp"
SLOT = 32
START = 2 * SLOT
HEAD = struct.Struct("<QQII")  # seq, body length, crc of body, crc of this head


def enc(key):
    return key.encode("utf-8", "surrogatepass")


def dec(raw):
    return raw.decode("utf-8", "surrogatepass")


def slot(seq, length):
    raw = struct.pack("<QQ", seq, length)
    raw += struct.pack("<I", zlib.crc32(raw))
    return raw.ljust(SLOT, b"\xa5")


def unslot(raw):
    if len(raw) != SLOT:
        return None
    seq, length = struct.unpack_from("<QQ", raw)
    return (seq, length) if slot(seq, length) == raw else None


def record(seq, writes):
    parts = []
    for key, value in writes.items():
        raw = enc(key)
        parts.append(struct.pack("<Iq", len(raw), -1 if value is None else len(value)) + raw + (value or b""))
    body = b"".join(parts)
    head = struct.pack("<QQI", seq, len(body), zlib.crc32(body[:1024]))
    return head + struct.pack("<I", zlib.crc32(head)) + body


def parse(data, at):
    """(seq, writes, next offset), or None when what is there isn't a whole record."""
    if at + HEAD.size > len(data):
        return None
    seq, length, crc, hcrc = HEAD.unpack_from(data, at)
    if zlib.crc32(data[at : at + HEAD.size - 4]) != hcrc:
        return None
    at += HEAD.size
    body = data[at : at + length]
    if len(body) != length or zlib.crc32(body[:1024]) != crc:
        return None
    writes, i = {}, 0
    while i < length:
        k, v = struct.unpack_from("<Iq", body, i)
        i += 12
        key = dec(body[i : i + k])
        i += k
        if v < 0:
            writes[key] = None
        else:
            writes[key] = body[i : i + v]
            i += v
    return seq, writes, at + length


def weigh(state):
    return sum(len(enc(k)) + len(v) + 64 for k, v in state.items())


def apply(state, writes):
    state = dict(state)
    for key, value in writes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return state


class Database:
    def __init__(self, disk):
        self.disk = disk
        self.state = {}
        self.seq = 0
        self.length = None  # None: no file yet
        self.history = []
        self.active = set()
        names = disk.names()
        if TMP in names:
            disk.delete(TMP)
        if DATA in names:
            self.recover()

    def recover(self):
        disk = self.disk
        data = disk.read(DATA)
        slots = [unslot(data[:SLOT]), unslot(data[SLOT:START])]
        valid = [s for s in slots if s]
        if not valid:
            raise Corrupt("no superblock")
        seq, end = max(valid)
        at, expected = START, None
        state = {}
        while at < end:
            got = parse(data, at)
            if got is None or got[2] > end or (expected is not None and got[0] != expected):
                raise Corrupt(f"record at {at}")
            state = self.fill(state, got[1])
            expected = got[0] + 1
            at = got[2]
        if expected != seq + 1:
            raise Corrupt("sequence")
        self.state = state
        self.seq, self.length = seq, end
        extra = parse(data, end)
        if extra is not None and extra[0] == seq + 1:
            self.state = self.fill(state, extra[1])
            self.seq, self.length = extra[0], extra[2]
        if self.length != len(data):
            disk.truncate(DATA, self.length)
        wanted = slot(self.seq, self.length)
        if (self.length != len(data) or (self.seq, self.length) != (seq, end) or None in slots):
            disk.fsync(DATA)
            i = self.seq % 2
            if (self.seq, self.length) != (seq, end) or slots[i] is None:
                disk.write(DATA, i * SLOT, wanted)
                disk.fsync(DATA)
            if slots[1 - i] is None:
                disk.write(DATA, (1 - i) * SLOT, wanted)
                disk.fsync(DATA)

    @staticmethod
    def fill(state, writes):
        for key, value in writes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        return state

    def begin(self):
        return Transaction(self)

    def store(self, writes):
        disk = self.disk
        state = apply(self.state, writes)
        seq = self.seq + 1
        raw = record(seq, writes)
        if self.length is None or self.length + len(raw) > 2 * weigh(state) + 8192:
            length = self.rewrite(state, seq)
            if length is not None:
                self.state, self.seq, self.length = state, seq, length
                return
            if self.length is None:
                raise OSError("no room")
        try:
            disk.append(DATA, raw)
        except OSError:
            raise OSError("no room") from None
        disk.fsync(DATA)
        try:
            disk.write(DATA, (seq % 2) * SLOT, slot(seq, self.length + len(raw)))
        except OSError:
            disk.truncate(DATA, self.length)
            disk.fsync(DATA)
            raise OSError("no room") from None
        disk.fsync(DATA)
        self.state, self.seq, self.length = state, seq, self.length + len(raw)

    def rewrite(self, state, seq):
        disk = self.disk
        raw = record(seq, state)
        length = START + len(raw)
        try:
            disk.append(TMP, slot(seq, length) * 2 + raw)
        except OSError:
            if TMP in disk.names():
                disk.delete(TMP)
            return None
        disk.fsync(TMP)
        disk.rename(TMP, DATA)
        return length


class Transaction:
    def __init__(self, database):
        self.db = database
        self.snapshot = database.state
        self.began = database.seq
        self.writes = {}
        self.reads = set()
        self.ranges = []
        self.over = False
        database.active.add(self)

    def live(self):
        if self.over:
            raise RuntimeError("over")

    def finish(self):
        self.over = True
        db = self.db
        db.active.discard(self)
        oldest = min((t.began for t in db.active), default=db.seq)
        db.history = [h for h in db.history if h[0] > oldest]

    def get(self, key):
        self.live()
        if not isinstance(key, str):
            raise TypeError("key")
        if key in self.writes:
            return self.writes[key]
        self.reads.add(key)
        return self.snapshot.get(key)

    def put(self, key, value):
        self.live()
        if not isinstance(key, str):
            raise TypeError("key")
        self.writes[key] = bytes(value)

    def delete(self, key):
        self.live()
        if not isinstance(key, str):
            raise TypeError("key")
        self.writes[key] = None

    def scan(self, start, end=None):
        self.live()
        self.ranges.append((start, end))
        view = apply(self.snapshot, self.writes)
        return sorted((k, v) for k, v in view.items() if k >= start and (end is None or k < end))

    def commit(self):
        self.live()
        db = self.db
        if not self.writes:
            self.finish()
            return
        for seq, keys in db.history:
            if seq <= self.began:
                continue
            for key in keys:
                if key in self.reads or any(s <= key and (e is None or key < e) for s, e in self.ranges):
                    self.finish()
                    raise Conflict(key)
        try:
            db.store(self.writes)
            db.history.append((db.seq, set(self.writes)))
        finally:
            self.finish()

    def rollback(self):
        if not self.over:
            self.finish()
