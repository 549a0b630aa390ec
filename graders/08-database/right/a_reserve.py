"""Design: a log without frames whose true length and checksum stand in a file of two slots, a spare file that is removed when there is no room, and serializable snapshots by their dangerous edges."""

import json, zlib, struct, base64, bisect


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


def _text(key):
    if not isinstance(key, str):
        raise TypeError("a key is text")
    key.encode("utf-8")          # UnicodeEncodeError is a ValueError
    return key


def _inside(key, rng):
    return rng[0] <= key and (rng[1] is None or key < rng[1])


def _limit(data):
    return 4 * (sum(len(k.encode()) + len(v) for k, v in data.items()) + 64 * len(data)) + 16384 - 4200


class Base:
    """What all transactions share."""

    def __init__(self, db):
        self.db = db
        self.state = "active"
        self.writes = {}

    def _check(self):
        if self.state != "active":
            raise RuntimeError("this transaction is over")

    def _abort(self, why="another transaction is in the way"):
        self._end("aborted")
        raise Conflict(why)

    def _end(self, state):
        self.state = state
        self.db.active.discard(self)

    def put(self, key, value):
        self._check()
        _text(key)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError("a value is bytes")
        self._write(key, bytes(value))

    def delete(self, key):
        self._check()
        self._write(_text(key), None)

    def get(self, key):
        self._check()
        return self._get(_text(key))

    def scan(self, start, end=None):
        self._check()
        _text(start)
        if end is not None:
            _text(end)
        return self._scan(start, end)

    def _overlay(self, base, start, end):
        for k, v in self.writes.items():
            if _inside(k, (start, end)):
                if v is None:
                    base.pop(k, None)
                else:
                    base[k] = v
        return sorted(base.items())

    def rollback(self):
        if self.state == "active":
            self._end("rolled back")

    def commit(self):
        self._check()
        try:
            self._commit()
        except BaseException:
            if self.state == "active":
                self._end("aborted")
            raise
        self._end("committed")

    def _write(self, key, value):
        self.writes[key] = value



def _pack(writes):
    out = [struct.pack("<I", len(writes))]
    for k, v in writes.items():
        kb = k.encode()
        out.append(struct.pack("<Ii", len(kb), -1 if v is None else len(v)) + kb + (v or b""))
    return b"".join(out)


def _unpack(raw):
    (n,), pos, out = struct.unpack_from("<I", raw), 4, {}
    for _ in range(n):
        kl, vl = struct.unpack_from("<Ii", raw, pos)
        pos += 8
        k = raw[pos:pos + kl].decode()
        pos += kl
        out[k] = None if vl < 0 else bytes(raw[pos:pos + vl])
        pos += max(vl, 0)
    return out


def _after(data, writes):
    after = dict(data)
    for k, v in writes.items():
        if v is None:
            after.pop(k, None)
        else:
            after[k] = v
    return after


def _drop(disk, name):
    if name in disk.names():
        disk.delete(name)



class Reserve:
    """A disk that keeps 4 KiB aside, and gives them up when there is no other room."""

    def __init__(self, disk):
        self._disk = disk

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def _try(self, call, *args):
        try:
            call(*args)
        except OSError:
            if "spare" not in self._disk.names():
                raise
            self._disk.delete("spare")
            call(*args)

    def append(self, *args):
        self._try(self._disk.append, *args)

    def write(self, *args):
        self._try(self._disk.write, *args)

    def lay_in(self):
        if "spare" not in self._disk.names():
            try:
                self._disk.append("spare", bytes(4096))
            except OSError:
                pass


class Store:
    """A log without any framing of its own; how much of it is true stands in one of two slots of another file."""

    H = "<QQQI"     # seq, generation, length, crc of the log so far

    def __init__(self, disk):
        disk = self.disk = Reserve(disk)
        self.data, self.seq, self.gen, self.size, self.crc = {}, 0, 0, 0, 0
        names = disk.names()
        _drop(disk, "meta.tmp")
        if "meta" in names:
            raw, slots, torn = disk.read("meta"), [], []
            for i in (0, 32):
                s = raw[i:i + 32]
                if len(s) == 32 and zlib.crc32(s[:28]) == struct.unpack_from("<I", s, 28)[0]:
                    slots.append(struct.unpack_from(self.H, s))
                elif any(s):
                    torn.append((i, bytes(len(s))))
            slots = [s for s in slots if s[0]]
            if not slots:
                raise Corrupt("meta")
            self.seq, self.gen, self.size, self.crc = max(slots)
            if self._name() not in names:
                raise Corrupt("the log of the other slot")
            log = disk.read(self._name())
            if len(log) < self.size or zlib.crc32(log[:self.size]) != self.crc:
                raise Corrupt("log")
            pos = 0
            while pos < self.size:
                ln = struct.unpack_from("<I", log, pos)[0]
                self.data = _after(self.data, _unpack(log[pos + 4:pos + 4 + ln]))
                pos += 4 + ln
            if len(log) > self.size:
                disk.truncate(self._name(), self.size)
            for i, zeros in torn:  # what is left there must not be completed by the next commit of its number
                disk.write("meta", i, zeros)
                disk.fsync("meta")
        for n in names:
            if n.startswith("log-") and n != self._name():
                disk.delete(n)

    def _name(self, gen=None):
        return "log-%d" % (self.gen if gen is None else gen)

    def apply(self, writes):
        after = _after(self.data, writes)
        rec = _pack(writes)
        rec = struct.pack("<I", len(rec)) + rec
        if self.gen and self.size + len(rec) + 64 <= _limit(after):
            try:
                self.disk.append(self._name(), rec)
                self.disk.fsync(self._name())
                self._meta(self.gen, self.size + len(rec), zlib.crc32(rec, self.crc))
            except OSError:
                self.disk.truncate(self._name(), self.size)
                raise
        else:
            rec = _pack(after)
            rec = struct.pack("<I", len(rec)) + rec
            old, new = self.gen, self._name(self.gen + 1)
            try:
                self.disk.append(new, rec)
                self.disk.fsync(new)
                self._meta(self.gen + 1, len(rec), zlib.crc32(rec))
            except OSError:
                _drop(self.disk, new)
                raise
            if old:
                self.disk.delete(self._name(old))
        self.data = after
        self.disk.lay_in()

    def _meta(self, gen, size, crc):
        s = struct.pack(self.H, self.seq + 1, gen, size, crc)
        s += struct.pack("<I", zlib.crc32(s))
        if self.seq == 0:
            try:
                self.disk.append("meta.tmp", bytes(32) + s)
            except OSError:
                _drop(self.disk, "meta.tmp")
                raise
            self.disk.fsync("meta.tmp")
            self.disk.rename("meta.tmp", "meta")
        else:
            self.disk.write("meta", 32 * ((self.seq + 1) % 2), s)
            self.disk.fsync("meta")
        self.seq, self.gen, self.size, self.crc = self.seq + 1, gen, size, crc


class Database:
    def __init__(self, disk):
        self.store = Store(disk)
        self.active = set()
        self.clock = 0
        self.log = []         # committed transactions, by commit time
        self.snapshot = dict(self.store.data)

    def begin(self):
        t = Transaction(self)
        self.clock += 1
        t.began = self.clock
        t.snap = self.snapshot     # never changed in place
        self.active.add(t)
        return t


class Snap(Base):
    def __init__(self, db):
        super().__init__(db)
        self.gets = set()
        self.ranges = []
        self.ended = None

    def _get(self, key):
        if key in self.writes:
            return self.writes[key]
        self.gets.add(key)
        return self.snap.get(key)

    def _scan(self, start, end):
        self.ranges.append((start, end))
        return self._overlay({k: v for k, v in self.snap.items() if _inside(k, (start, end))}, start, end)

    def has_read_of(self, other):
        return any(k in self.gets or any(_inside(k, r) for r in self.ranges) for k in other.writes)

    def _publish(self):
        db = self.db
        if self.writes:
            db.store.apply(self.writes)
            new = dict(db.snapshot)
            for k, v in self.writes.items():
                if v is None:
                    new.pop(k, None)
                else:
                    new[k] = v
            db.snapshot = new
        db.clock += 1
        self.ended = db.clock
        db.log.append(self)
class Transaction(Snap):
    """Serializable snapshot isolation: first committer wins, and no dangerous structure (Cahill, Fekete)."""

    out = False

    def _commit(self):
        db = self.db
        later = [u for u in db.log if u.ended > self.began]
        if self.writes and any(k in u.writes for u in later for k in self.writes):
            self._abort("first committer wins")
        outs = [u for u in later if self.has_read_of(u)]
        ins = [v for v in later + [t for t in db.active if t is not self] if v.has_read_of(self)]
        if outs and ins:
            self._abort("pivot")
        if any(u.out for u in outs):
            self._abort("the pivot is committed")
        self.out = bool(outs)
        self._publish()
        oldest = min((t.began for t in db.active if t is not self), default=db.clock + 1)
        db.log = [u for u in db.log if u.ended > oldest]
