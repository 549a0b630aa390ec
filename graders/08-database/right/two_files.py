"""Design: a redo log with a commit mark behind each transaction's records, beside a checkpoint with the number of the log that follows it; optimistic, and readers are checked at once."""

import ast
import zlib


class Conflict(Exception):
    """Try again."""


class Corrupt(Exception):
    """Damaged."""


def line(content):
    """A line of text with its checksum and length in front."""
    text = ascii(content).encode("ascii")
    return b"%08x %08x " % (zlib.crc32(text), len(text)) + text + b"\n"


def lines(data):
    """Every line's content in order, and then the offset at which the whole ones end."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        content = parsed(data[at:end]) if end >= 0 else None
        if content is None:
            break
        at = end + 1
        yield content, at


def parsed(text):
    if len(text) < 18 or text[8:9] != b" " or text[17:18] != b" ":
        return None
    body = text[18:]
    if b"%08x %08x" % (zlib.crc32(body), len(body)) != text[:17]:
        return None
    return ast.literal_eval(body.decode("ascii"))


class Database:
    def __init__(self, disk):
        self.disk = disk
        self.table = {}
        self.stamp = {}
        self.clock = 0
        self.epoch = 0
        self.running = set()
        for name in disk.names():
            if name.endswith(".tmp"):
                disk.delete(name)
        if "checkpoint" not in disk.names():
            self.save_checkpoint(0)
        else:
            self.load()

    def log_name(self):
        return f"redo.{self.epoch}"

    def save_checkpoint(self, epoch):
        self.disk.append("checkpoint.tmp", line((epoch, self.clock, sorted(self.table.items()))))
        self.disk.fsync("checkpoint.tmp")
        self.disk.rename("checkpoint.tmp", "checkpoint")
        self.epoch = epoch
        self.clear_logs()

    def clear_logs(self):
        for name in self.disk.names():
            if name.startswith("redo.") and name != self.log_name():
                self.disk.delete(name)

    def load(self):
        found = list(lines(self.disk.read("checkpoint")))
        if len(found) != 1 or found[0][1] != self.disk.size("checkpoint"):
            raise Corrupt("the checkpoint")
        self.epoch, self.clock, items = found[0][0]
        self.table = dict(items)
        self.clear_logs()
        if self.log_name() in self.disk.names():
            self.replay()

    def replay(self):
        data = self.disk.read(self.log_name())
        good, pending = 0, []
        for content, end in lines(data):
            if content[0] == "commit":
                if content[1] != self.clock + 1 or content[2] != len(pending):
                    raise Corrupt("a commit mark is in the wrong place")
                self.clock += 1
                for _, key, value in pending:
                    self.change(key, value)
                good, pending = end, []
            else:
                pending.append(content)
        if good < len(data):
            rest = data[good:]
            if any(self.is_commit(rest[at:]) for at in range(len(rest))):
                raise Corrupt("a commit mark stands behind what is damaged")
            self.disk.truncate(self.log_name(), good)
            self.disk.fsync(self.log_name())

    def is_commit(self, text):
        content = next(lines(text), (None, 0))[0] if text[8:9] == b" " else None
        return isinstance(content, tuple) and content[0] == "commit" and content[1] > self.clock + 1

    def change(self, key, value):
        if value is None:
            self.table.pop(key, None)
        else:
            self.table[key] = value

    def begin(self):
        transaction = Transaction(self)
        self.running.add(transaction)
        return transaction

    def apply(self, writes):
        name = self.log_name()
        before = self.disk.size(name) if name in self.disk.names() else None
        try:
            for key, value in writes.items():
                self.disk.append(name, line(("set", key, value)))
            self.disk.append(name, line(("commit", self.clock + 1, len(writes))))
        except OSError:
            if before is not None:
                self.disk.truncate(name, before)
            elif name in self.disk.names():
                self.disk.delete(name)
            raise
        self.disk.fsync(name)
        self.clock += 1
        for key, value in writes.items():
            self.change(key, value)
            self.stamp[key] = self.clock
        held = sum(len(ascii(pair)) for pair in self.table.items())
        if self.disk.size("checkpoint") + self.disk.size(name) > held + 8_000:
            try:
                self.save_checkpoint(self.epoch + 1)
            except OSError:
                if "checkpoint.tmp" in self.disk.names():
                    self.disk.delete("checkpoint.tmp")


class Transaction:
    def __init__(self, database):
        self.database = database
        self.since = database.clock
        self.keys, self.spans, self.writes = set(), [], {}
        self.over = False

    def enter(self):
        if self.over:
            raise RuntimeError("over")

    def validate(self):
        """Whether all that was read is still as it was when this began; else it is over."""
        for key, stamp in self.database.stamp.items():
            if stamp > self.since and (key in self.keys or any(a <= key and (b is None or key < b) for a, b in self.spans)):
                self.rollback()
                raise Conflict(key)

    def get(self, key):
        self.enter()
        if key in self.writes:
            return self.writes[key]
        self.keys.add(key)
        self.validate()
        return self.database.table.get(key)

    def scan(self, start, end=None):
        self.enter()
        self.spans.append((start, end))
        self.validate()
        merged = dict(self.database.table)
        for key, value in self.writes.items():
            merged[key] = value
        return sorted((k, v) for k, v in merged.items() if v is not None and k >= start and (end is None or k < end))

    def put(self, key, value):
        self.enter()
        self.writes[key] = value

    def delete(self, key):
        self.enter()
        self.writes[key] = None

    def commit(self):
        self.enter()
        self.validate()
        try:
            if self.writes:
                self.database.apply(self.writes)
        finally:
            self.rollback()

    def rollback(self):
        self.over = True
        self.database.running.discard(self)
        if not self.database.running:
            self.database.stamp.clear()
