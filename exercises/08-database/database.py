"""08-database: a transactional store that survives a crash. README.md says what is asked."""


class Conflict(Exception):
    """This transaction was aborted because of another one: try it again."""


class Corrupt(Exception):
    """What is on the disk isn't what was written."""


class Database:
    """Keys and values on a disk, changed by transactions."""

    def __init__(self, disk) -> None:
        """Open what is on `disk`, and recover it. Corrupt when it was damaged."""
        raise NotImplementedError("Write Database.__init__ first.")

    def begin(self) -> "Transaction":
        """A new transaction."""
        raise NotImplementedError("Write Database.begin.")


class Transaction:
    """A unit of work. Any method may raise Conflict; RuntimeError once it is over."""

    def get(self, key: str) -> bytes | None:
        """The value of a key, None where there is none."""
        raise NotImplementedError("Write Transaction.get.")

    def put(self, key: str, value: bytes) -> None:
        """Write a value, for this transaction's eyes only until it is committed."""
        raise NotImplementedError("Write Transaction.put.")

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""
        raise NotImplementedError("Write Transaction.delete.")

    def scan(self, start: str, end: str | None = None) -> list[tuple[str, bytes]]:
        """All pairs with start <= key < end, in order; without an end, to the last key."""
        raise NotImplementedError("Write Transaction.scan.")

    def commit(self) -> None:
        """Make it durable and seen by others. OSError when the disk is full: then it hasn't happened."""
        raise NotImplementedError("Write Transaction.commit.")

    def rollback(self) -> None:
        """Forget it. Does nothing when the transaction is over."""
        raise NotImplementedError("Write Transaction.rollback.")
