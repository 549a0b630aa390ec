"""Loses: rollback. A commit of nothing returns at once, and the transaction goes on.

May lose: serializable"""

import struct
import zlib

LOG, NEW_LOG = "log", "log.new"
HEADER = struct.Struct(
    "<4sQIII"
)  # magic, number of the commit, length and checksum of the payload, checksum of the rest
MAGIC = b"kdb1"
DELETED = 0xFFFFFFFF


class Conflict(Exception):
    """This transaction was aborted because of another one: try it again."""


class Corrupt(Exception):
    """What is on the disk isn't what was written."""


class Database:
    """Keys and values on a disk, changed by transactions."""

    def __init__(self, disk):
        self._disk = disk
        self._data = {}
        self._live_bytes = 0
        self._number = 0  # of the latest commit
        self._recent = []  # (number, keys) of the commits that a transaction under way may have to look at
        self._under_way = set()
        if NEW_LOG in disk.names():
            disk.delete(NEW_LOG)
        if LOG in disk.names():
            self._recover()
        else:
            self._replace_log()

    def begin(self):
        """A new transaction."""
        transaction = Transaction(self, self._number)
        self._under_way.add(transaction)
        return transaction

    # ------------------------------------------------------------ what transactions ask

    def get(self, key):
        return self._data.get(key)

    def pairs(self):
        return self._data.items()

    def commit(self, transaction):
        """Make its writes durable, then visible. Conflict when something that it has read was changed meanwhile."""
        for number, keys in self._recent:
            if number > transaction.begun and any(transaction.has_read(key) for key in keys):
                raise Conflict("what it has read was changed by a transaction that was committed since it began")
        if not transaction.writes:
            return
        self._disk.append(LOG, record(self._number + 1, transaction.writes))
        self._disk.fsync(LOG)
        self._number += 1
        self._apply(transaction.writes)
        self._recent.append((self._number, transaction.writes.keys()))
        self._compact()

    def end(self, transaction):
        self._under_way.discard(transaction)
        oldest = min((each.begun for each in self._under_way), default=self._number)
        self._recent = [each for each in self._recent if each[0] > oldest]

    # ------------------------------------------------------------ the log

    def _apply(self, writes):
        for key, value in writes.items():
            old = self._data.pop(key, None)
            if old is not None:
                self._live_bytes -= footprint(key, old)
            if value is not None:
                self._data[key] = value
                self._live_bytes += footprint(key, value)

    def _compact(self):
        """A log that is too long gives way to one that says the same. Without room for that, the long one stays."""
        if self._disk.size(LOG) <= 2 * self._live_bytes + 8_192:
            return
        try:
            self._replace_log()
        except OSError:
            if NEW_LOG in self._disk.names():
                self._disk.delete(NEW_LOG)

    def _replace_log(self):
        self._disk.append(NEW_LOG, record(self._number, self._data))
        self._disk.fsync(NEW_LOG)
        self._disk.rename(NEW_LOG, LOG)

    def _recover(self):
        log = memoryview(self._disk.read(LOG))
        at = 0
        while at < len(log):
            found = read_record(log, at)
            if found is None:
                self._cut_off(log, at)
                return
            number, writes, end = found
            if at > 0 and number != self._number + 1:
                raise Corrupt(f"commit {self._number + 1} is missing")
            self._number = number
            self._apply(writes)
            at = end
        if at == 0:
            raise Corrupt("the log is empty")

    def _cut_off(self, log, at):
        """A record at the end that isn't whole was never acknowledged; one before others, or the first, was whole."""
        if at == 0 or any(read_record(log, later) for later in range(at + 1, len(log) - HEADER.size + 1)):
            raise Corrupt(f"the log is damaged at byte {at}")
        self._disk.truncate(LOG, at)
        self._disk.fsync(LOG)


class Transaction:
    """What one has read and written. It is over when it has ended in any way."""

    def __init__(self, database, begun):
        self.begun = begun
        self.writes = {}
        self._database = database
        self._keys_read = set()
        self._ranges_read = []
        self._over = False

    def get(self, key):
        """The value of a key, None where there is none."""
        self._must_go_on()
        if key in self.writes:
            return self.writes[key]
        self._keys_read.add(key)
        return self._database.get(key)

    def put(self, key, value):
        """Write a value, for this transaction's eyes only until it is committed."""
        self._must_go_on()
        self.writes[key] = bytes(value)

    def delete(self, key):
        """Remove a key, if it is there."""
        self._must_go_on()
        self.writes[key] = None

    def scan(self, start, end=None):
        """All pairs with start <= key < end, in order; without an end, to the last key."""
        self._must_go_on()
        self._ranges_read.append((start, end))
        merged = {**dict(self._database.pairs()), **self.writes}
        return sorted((k, v) for k, v in merged.items() if v is not None and within(k, start, end))

    def commit(self):
        """Make it durable and seen by others. OSError when the disk is full: then it hasn't happened."""
        self._must_go_on()
        if not self.writes:
            return
        try:
            self._database.commit(self)
        finally:
            self.rollback()

    def rollback(self):
        """Forget it. Does nothing when the transaction is over."""
        self._over = True
        self._database.end(self)

    def has_read(self, key):
        return key in self._keys_read or any(within(key, *each) for each in self._ranges_read)

    def _must_go_on(self):
        if self._over:
            raise RuntimeError("the transaction is over")


def within(key, start, end):
    return start <= key and (end is None or key < end)


def footprint(key, value):
    return len(key.encode("utf-8", "surrogatepass")) + len(value) + 64


def record(number, writes):
    """A whole transaction as bytes."""
    parts = []
    for key, value in writes.items():
        name = key.encode("utf-8", "surrogatepass")
        parts += [struct.pack("<II", len(name), DELETED if value is None else len(value)), name, value or b""]
    payload = b"".join(parts)
    start = HEADER.pack(MAGIC, number, len(payload), zlib.crc32(payload), 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(start)) + payload


def read_record(log, at):
    """Number, writes and end of the record that begins there; None if it isn't whole."""
    if bytes(log[at : at + 4]) != MAGIC or len(log) < at + HEADER.size:
        return None
    _, number, length, checksum, header_checksum = HEADER.unpack(log[at : at + HEADER.size])
    if zlib.crc32(log[at : at + HEADER.size - 4]) != header_checksum:
        return None
    payload = log[at + HEADER.size : at + HEADER.size + length]
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return number, read_writes(payload), at + HEADER.size + length


def read_writes(payload):
    writes, at = {}, 0
    while at < len(payload):
        name_size, size = struct.unpack("<II", payload[at : at + 8])
        name = str(payload[at + 8 : at + 8 + name_size], "utf-8", "surrogatepass")
        at += 8 + name_size
        writes[name] = None if size == DELETED else bytes(payload[at : at + size])
        at += 0 if size == DELETED else size
    return writes
