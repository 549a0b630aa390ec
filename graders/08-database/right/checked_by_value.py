"""Design: one log with a snapshot at its head; a commit makes all its reads again and must get the same; a transaction is a dataclass."""

import struct, zlib
from dataclasses import dataclass, field
class Conflict(Exception): ...
class Corrupt(Exception): ...
MAGIC = b"\xabKrec"
HEAD = struct.Struct(">5sQI")   # magic, number, length; then 4 bytes crc of head, body, 4 bytes crc of number + body

def pack(number, changes):
    out = []
    for k, v in changes.items():
        kb = k.encode("utf-8", "surrogatepass")
        out.append(struct.pack(">Ii", len(kb), -1 if v is None else len(v)) + kb + (v or b""))
    body = b"".join(out)
    head = HEAD.pack(MAGIC, number, len(body))
    return head + struct.pack(">I", zlib.crc32(head)) + body + struct.pack(">I", zlib.crc32(head + body))

def unpack(raw, at):
    """(number, changes, end), or None when there is no good record."""
    if len(raw) < at + 25: return None
    head = raw[at:at + HEAD.size]
    magic, number, size = HEAD.unpack(head)
    i = at + HEAD.size
    if magic != MAGIC or struct.unpack_from(">I", raw, i)[0] != zlib.crc32(head): return None
    i += 4
    end = i + size
    if len(raw) < end + 4: return None
    body = raw[i:end]
    if struct.unpack_from(">I", raw, end)[0] != zlib.crc32(head + body): return None
    changes, j = {}, 0
    while j < size:
        kl, vl = struct.unpack_from(">Ii", body, j); j += 8
        k = body[j:j + kl].decode("utf-8", "surrogatepass"); j += kl
        if vl < 0: changes[k] = None
        else: changes[k] = body[j:j + vl]; j += vl
    return number, changes, end + 4

class Database:
    def __init__(self, disk):
        self.disk, self.data = disk, {}
        names = disk.names()
        if "new" in names: disk.delete("new")
        if "log" not in names:
            self.number = 0
            self.fresh()
            return
        raw = disk.read("log")
        first = unpack(raw, 0)
        if first is None: raise Corrupt("the snapshot is damaged")
        self.number, self.data, at = first[0], first[1], first[2]
        while at < len(raw):
            rec = unpack(raw, at)
            if rec is None or rec[0] != self.number + 1:
                nxt = raw.find(MAGIC, at + 1)
                while nxt >= 0:
                    later = unpack(raw, nxt)
                    if later and later[0] > self.number: raise Corrupt("a record in the middle is damaged")
                    nxt = raw.find(MAGIC, nxt + 1)
                disk.truncate("log", at)
                disk.fsync("log")
                break
            self.apply(rec[1]); self.number = rec[0]; at = rec[2]
        self.size = at
    def apply(self, changes):
        for k, v in changes.items():
            if v is None: self.data.pop(k, None)
            else: self.data[k] = v
    def fresh(self):
        try:
            raw = pack(self.number, self.data)
            self.disk.append("new", raw)
        except OSError:
            self.size = self.disk.size("log") if "log" in self.disk.names() else None
            return
        self.disk.fsync("new")
        self.disk.rename("new", "log")
        self.size = len(raw)
    def write(self, changes):
        if self.size is None:
            # there never was room for the first snapshot
            raw = pack(self.number, {})
            self.disk.append("new", raw); self.disk.fsync("new"); self.disk.rename("new", "log"); self.size = len(raw)
        raw = pack(self.number + 1, changes)
        self.disk.append("log", raw)
        self.disk.fsync("log")
        self.number += 1; self.size += len(raw)
        self.apply(changes)
        live = sum(len(k.encode("utf-8", "surrogatepass")) + len(v) + 8 for k, v in self.data.items())
        if self.size > 2 * live + 8192: self.fresh()
    def begin(self): return Transaction(self)
    def look(self, start, end):
        return [(k, self.data[k]) for k in sorted(self.data) if k >= start and (end is None or k < end)]

@dataclass
class Transaction:
    db: Database
    gets: list = field(default_factory=list)
    scans: list = field(default_factory=list)
    w: dict = field(default_factory=dict)
    over: bool = False
    def chk(self):
        if self.over: raise RuntimeError("the transaction is over")
    def get(self, key):
        self.chk()
        if key in self.w: return self.w[key]
        v = self.db.data.get(key); self.gets.append((key, v)); return v
    def put(self, key, value): self.chk(); self.w[key] = bytes(value)
    def delete(self, key): self.chk(); self.w[key] = None
    def scan(self, start, end=None):
        self.chk()
        found = self.db.look(start, end); self.scans.append((start, end, found))
        d = dict(found); d.update({k: v for k, v in self.w.items() if k >= start and (end is None or k < end)})
        return [(k, d[k]) for k in sorted(d) if d[k] is not None]
    def commit(self):
        self.chk(); self.over = True
        for k, v in self.gets:
            if self.db.data.get(k) != v: raise Conflict(k)
        for s, e, found in self.scans:
            if self.db.look(s, e) != found: raise Conflict((s, e))
        if self.w: self.db.write(self.w)
    def rollback(self): self.over = True
