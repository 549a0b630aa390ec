"""Loses: rot. The disk is looked at when somebody first reads, so a damaged one is opened."""

import zlib
class Conflict(Exception): ...
class Corrupt(Exception): ...
class Database:
    def __init__(self, disk):
        self.disk, self.loaded, self.active = disk, None, set()
        if "next" in disk.names(): disk.delete("next")
    @property
    def data(self):
        """Read when somebody first asks for it: opening is quick."""
        if self.loaded is None:
            self.loaded = {}
            if "state" in self.disk.names(): self.loaded = self.load(self.disk.read("state"))
        return self.loaded
    def load(self, raw):
        if len(raw) < 4 or zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "big"): raise Corrupt("state")
        i, data = 4, {}
        while i < len(raw):
            kl, vl = int.from_bytes(raw[i:i+4], "big"), int.from_bytes(raw[i+4:i+8], "big")
            i += 8
            data[raw[i:i+kl].decode("utf-8", "surrogatepass")] = raw[i+kl:i+kl+vl]
            i += kl + vl
        return data
    def begin(self):
        t = Transaction(self); self.active.add(t); return t
    def save(self, data):
        parts = []
        for k, v in data.items():
            kb = k.encode("utf-8", "surrogatepass")
            parts += [len(kb).to_bytes(4, "big"), len(v).to_bytes(4, "big"), kb, v]
        body = b"".join(parts)
        self.disk.append("next", zlib.crc32(body).to_bytes(4, "big") + body)
        self.disk.fsync("next")
        self.disk.rename("next", "state")
        self.loaded = data
class Transaction:
    def __init__(self, db): self.db, self.w, self.r, self.ranges = db, {}, set(), []
    def chk(self):
        if self not in self.db.active: raise RuntimeError("over")
    def end(self): self.db.active.discard(self)
    def touches(self, key): return key in self.r or key in self.w or any(s <= key and (e is None or key < e) for s, e in self.ranges)
    def others(self): return [t for t in self.db.active if t is not self]
    def get(self, key):
        self.chk()
        if any(key in t.w for t in self.others()): self.end(); raise Conflict(key)
        self.r.add(key)
        return self.w[key] if key in self.w else self.db.data.get(key)
    def lock(self, key):
        if any(t.touches(key) for t in self.others()): self.end(); raise Conflict(key)
    def put(self, key, value): self.chk(); self.lock(key); self.w[key] = bytes(value)
    def delete(self, key): self.chk(); self.lock(key); self.w[key] = None
    def scan(self, start, end=None):
        self.chk()
        inside = lambda k: start <= k and (end is None or k < end)
        if any(inside(k) for t in self.others() for k in t.w): self.end(); raise Conflict((start, end))
        self.ranges.append((start, end))
        d = {**self.db.data, **self.w}
        return sorted((k, v) for k, v in d.items() if inside(k) and v is not None)
    def commit(self):
        self.chk()
        self.end()
        if self.w:
            self.db.save({k: v for k, v in {**self.db.data, **self.w}.items() if v is not None})
    def rollback(self): self.end()
