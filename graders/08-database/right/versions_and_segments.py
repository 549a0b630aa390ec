"""Design: multi-version storage read as of a transaction's beginning, with first-committer-wins on what was read; numbered segment files, each sealed by a summary in its successor."""

import bisect
import pickle
import zlib

MAX_SEGMENT = 6_000


class Conflict(Exception):
    pass


class Corrupt(Exception):
    pass


def frame(kind, number, body):
    """A record: its checksum, then kind, number, length and body in one piece that the checksum covers."""
    head = kind + number.to_bytes(8, "big") + len(body).to_bytes(4, "big")
    return zlib.crc32(head).to_bytes(4, "big") + head + body + zlib.crc32(head + body).to_bytes(4, "big")


def unframe(data, at):
    """(kind, number, body, end), or None for what is no whole record."""
    head = data[at + 4 : at + 17]
    if len(head) < 13 or zlib.crc32(head) != int.from_bytes(data[at : at + 4], "big"):
        return None
    size = int.from_bytes(head[9:], "big")
    body, end = data[at + 17 : at + 17 + size], at + 17 + size + 4
    if len(data) < end or zlib.crc32(head + body) != int.from_bytes(data[end - 4 : end], "big"):
        return None
    return head[:1], int.from_bytes(head[1:9], "big"), body, end


def segment_name(number):
    return f"segment-{number:06d}"


class Database:
    def __init__(self, disk):
        self.disk = disk
        self.versions = {}  # key -> ([commit numbers], [values])
        self.now = 0
        self.segment = 0
        self.begun = []  # the numbers at which the transactions under way began
        self.recover()

    # -------------------------------------------------- reading as of a moment

    def value(self, key, moment):
        numbers, values = self.versions.get(key, ((), ()))
        at = bisect.bisect_right(numbers, moment)
        return values[at - 1] if at else None

    def changed_since(self, key, moment):
        numbers, _ = self.versions.get(key, ((), ()))
        return bool(numbers) and numbers[-1] > moment

    def install(self, number, writes):
        for key, value in writes.items():
            numbers, values = self.versions.setdefault(key, ([], []))
            numbers.append(number)
            values.append(value)
        self.now = number

    def forget_old(self):
        oldest = min(self.begun, default=self.now)
        for key in list(self.versions):
            numbers, values = self.versions[key]
            keep = max(0, bisect.bisect_right(numbers, oldest) - 1)
            del numbers[:keep], values[:keep]
            if len(numbers) == 1 and values[0] is None and numbers[0] <= oldest:
                del self.versions[key]

    def live(self):
        return {key: values[-1] for key, (_, values) in self.versions.items() if values[-1] is not None}

    def begin(self):
        self.begun.append(self.now)
        return Transaction(self, self.now)

    # -------------------------------------------------- the disk

    def write(self, writes):
        self.disk.append(segment_name(self.segment), frame(b"c", self.now + 1, pickle.dumps(writes)))
        self.disk.fsync(segment_name(self.segment))
        self.install(self.now + 1, writes)
        live = self.live()
        size = sum(len(key.encode("utf-8", "surrogatepass")) + len(value) + 64 for key, value in live.items())
        if self.disk.size(segment_name(self.segment)) > MAX_SEGMENT + 2 * size:
            try:
                self.next_segment(live)
            except OSError:
                if "next" in self.disk.names():
                    self.disk.delete("next")

    def next_segment(self, live):
        self.disk.append("next", frame(b"s", self.now, pickle.dumps(live)))
        self.disk.fsync("next")
        self.disk.rename("next", segment_name(self.segment + 1))
        self.segment += 1
        self.drop_older()

    def drop_older(self):
        for name in self.disk.names():
            if name.startswith("segment-") and name < segment_name(self.segment):
                self.disk.delete(name)

    def recover(self):
        names = self.disk.names()
        if "next" in names:
            self.disk.delete("next")
        segments = [name for name in names if name.startswith("segment-")]
        if not segments:
            self.segment = -1
            self.next_segment({})
            return
        name = segments[-1]
        self.segment = int(name.removeprefix("segment-"))
        data = self.disk.read(name)
        first = unframe(data, 0)
        if first is None or first[0] != b"s":
            raise Corrupt("a segment begins with a summary")
        _, number, body, at = first
        self.install(number, pickle.loads(body))
        while at < len(data):
            record = unframe(data, at)
            if record is None:
                if any(unframe(data, later) for later in range(at + 1, len(data))):
                    raise Corrupt("there are whole records behind one that is not")
                self.disk.truncate(name, at)
                self.disk.fsync(name)
                break
            _, number, body, at = record
            if number != self.now + 1:
                raise Corrupt("a commit is missing")
            self.install(number, pickle.loads(body))
        self.forget_old()
        self.drop_older()


class Transaction:
    def __init__(self, database, moment):
        self.database, self.moment = database, moment
        self.looked_at, self.scanned, self.changes = set(), [], {}
        self.done = False

    def _alive(self):
        if self.done:
            raise RuntimeError("over")

    def get(self, key):
        self._alive()
        if key in self.changes:
            return self.changes[key]
        self.looked_at.add(key)
        return self.database.value(key, self.moment)

    def put(self, key, value):
        self._alive()
        self.changes[key] = bytes(value)

    def delete(self, key):
        self._alive()
        self.changes[key] = None

    def scan(self, start, end=None):
        self._alive()
        self.scanned.append((start, end))
        pairs = {key: self.database.value(key, self.moment) for key in self.database.versions}
        pairs.update(self.changes)
        return sorted((k, v) for k, v in pairs.items() if v is not None and start <= k and (end is None or k < end))

    def commit(self):
        self._alive()
        try:
            if not self.changes:
                return  # it has seen one moment, and comes there in the order
            for key in self.database.versions:
                seen = key in self.looked_at or any(
                    start <= key and (end is None or key < end) for start, end in self.scanned
                )
                if seen and self.database.changed_since(key, self.moment):
                    raise Conflict(f"{key!r} was changed since this began")
            self.database.write(self.changes)
        finally:
            self.rollback()

    def rollback(self):
        if not self.done:
            self.done = True
            self.database.begun.remove(self.moment)
            self.database.forget_old()
