"""17-cap: a replica that is either consistent or available. README.md says what is asked."""


class Unavailable(Exception):
    """A CP replica can't reach a majority in time. Whether a put took effect is unknown."""


class Replica:
    """One of several replicas of a key-value store; mode "CP" is linearizable, mode "AP" always answers."""

    def __init__(self, id: str, peers: list[str], net, storage, mode: str) -> None:
        """`peers` are the other replicas' names. `net.send(to, message)` sends plain data and promises nothing;
        `storage.save(data)` and `storage.load()` keep bytes that survive a crash. An event loop is running."""
        raise NotImplementedError("Write Replica.__init__ first.")

    async def put(self, key: str, value: bytes, context=None) -> None:
        """Store `value`. AP: it replaces what `context` has seen. CP: raises Unavailable without a majority."""
        raise NotImplementedError("Write Replica.put.")

    async def get(self, key: str) -> tuple[list[bytes], object]:
        """The values of `key`, and a context for a later put. CP: at most one value; Unavailable without a majority."""
        raise NotImplementedError("Write Replica.get.")

    async def receive(self, sender: str, message) -> None:
        """A message has come from the replica called `sender`; perhaps not for the first time, perhaps late."""
        raise NotImplementedError("Write Replica.receive.")
