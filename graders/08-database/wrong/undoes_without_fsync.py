"""Loses: recover-again. Opening undoes from a journal what a crash has left half done, and deletes the journal before that is synced.

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
    """Pages in place, with a rollback journal: deleting the journal is the commit."""
    PAGE = 128
    HEAD = struct.Struct("<IIHHH")  # crc, record, part, parts, used
    ROOM = 128 - 14

    def __init__(self, disk):
        self.disk = disk
        self.data = {}
        if "journal" in disk.names():
            self.undo()
        self.load()

    def undo(self):
        """Put the old pages back, if the journal is whole; a torn one means that the pages weren't touched."""
        disk = self.disk
        raw = disk.read("journal")
        whole = len(raw) >= 12
        if whole:
            crc, size, count = struct.unpack_from("<III", raw)
            whole = len(raw) == 12 + count * (4 + self.PAGE) and zlib.crc32(raw[4:]) == crc
        if whole:
            if size == 0:
                if "pages" in disk.names():
                    disk.delete("pages")
            else:
                if disk.size("pages") > size:
                    disk.truncate("pages", size)
                for i in range(count):
                    at = 12 + i * (4 + self.PAGE)
                    (page,) = struct.unpack_from("<I", raw, at)
                    old = raw[at + 4:at + 4 + self.PAGE]
                    lo = page * self.PAGE
                    if disk.read("pages")[lo:lo + self.PAGE] != old:
                        disk.write("pages", lo, old)
        disk.delete("journal")

    def load(self):
        self.pages = []  # bytes of each page, page 0 is the head
        self.records = {}  # record id -> list of page numbers
        self.ids = {}  # key -> record id
        self.next = 1
        self.seq = 0
        if "pages" not in self.disk.names():
            return
        raw = self.disk.read("pages")
        if len(raw) % self.PAGE or not raw:
            raise Corrupt("size")
        self.pages = [raw[i:i + self.PAGE] for i in range(0, len(raw), self.PAGE)]
        magic, count, total, self.seq, crc = struct.unpack_from("<4sIIQI", self.pages[0])
        if self.pages[0] != self.head() or count != len(self.pages):
            raise Corrupt("head")
        parts = {}
        for number, page in enumerate(self.pages[1:], 1):
            crc, record, part, many, used = self.HEAD.unpack_from(page)
            if zlib.crc32(page[4:]) != crc:
                raise Corrupt("page")
            parts.setdefault(record, [None] * many)[part] = number
        for record, numbers in parts.items():
            self.records[record] = numbers
            self.next = max(self.next, record + 1)
            blob = b""
            for number in numbers:
                used = self.HEAD.unpack_from(self.pages[number])[4]
                blob += self.pages[number][14:14 + used]
            (kl,) = struct.unpack_from("<I", blob)
            key = blob[4:4 + kl].decode()
            self.data[key] = blob[4 + kl:]
            self.ids[key] = record

    def head(self, pages=None, seq=None):
        pages = self.pages if pages is None else pages
        total = 0
        for page in pages[1:]:
            total = zlib.crc32(page[:4], total)
        raw = struct.pack("<4sIIQ", b"PAGE", len(pages), total, self.seq if seq is None else seq)
        raw += struct.pack("<I", zlib.crc32(raw))
        return raw.ljust(self.PAGE, b"\0")

    def commit(self, writes):
        if "journal" in self.disk.names():
            self.undo()
        pages = list(self.pages) or [b""]
        records = {r: list(n) for r, n in self.records.items()}
        ids = dict(self.ids)
        nxt = self.next
        free = []
        for key, value in writes.items():
            old = ids.pop(key, None)
            if old is not None:
                free += records.pop(old)
        free.sort(reverse=True)
        for key, value in writes.items():
            if value is None:
                continue
            kb = key.encode()
            blob = struct.pack("<I", len(kb)) + kb + value
            cuts = [blob[i:i + self.ROOM] for i in range(0, len(blob), self.ROOM)]
            numbers = []
            for part, cut in enumerate(cuts):
                body = struct.pack("<IHHH", nxt, part, len(cuts), len(cut)) + cut.ljust(self.ROOM, b"\0")
                page = struct.pack("<I", zlib.crc32(body)) + body
                if free:
                    number = free.pop()
                    pages[number] = page
                else:
                    number = len(pages)
                    pages.append(page)
                numbers.append(number)
            records[nxt] = numbers
            ids[key] = nxt
            nxt += 1
        holes = set(free)
        owner = {}
        if holes:
            for r, ns in records.items():
                for i, n in enumerate(ns):
                    owner[n] = (r, i)
        while holes:
            last = len(pages) - 1
            if last in holes:
                holes.discard(last)
            else:
                to = min(holes)
                holes.discard(to)
                pages[to] = pages[last]
                r, i = owner.pop(last)
                records[r][i] = to
                owner[to] = (r, i)
            pages.pop()
        pages[0] = b""
        pages[0] = self.head(pages, self.seq + 1)
        # journal
        was = len(self.pages)
        changed = [i for i in range(was) if i >= len(pages) or pages[i] != self.pages[i]]
        body = struct.pack("<II", was * self.PAGE, len(changed))
        body += b"".join(struct.pack("<I", i) + self.pages[i] for i in changed)
        self.disk.append("journal", struct.pack("<I", zlib.crc32(body)) + body)
        self.disk.fsync("journal")
        try:
            if len(pages) > was:
                self.disk.append("pages", b"".join(pages[was:]))
            for i in changed:
                if i < len(pages):
                    self.disk.write("pages", i * self.PAGE, pages[i])
            if len(pages) < was:
                self.disk.truncate("pages", len(pages) * self.PAGE)
        except OSError:
            self.undo()  # another OSError: the journal stays, and the next commit or opening tries again
            raise
        self.disk.fsync("pages")
        self.disk.delete("journal")
        self.seq += 1
        self.pages, self.records, self.ids, self.next = pages, records, ids, nxt
        apply(self.data, writes)


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
