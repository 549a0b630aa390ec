"""15-caching: a cache beside a slow store. README.md says what is asked."""


class CacheAside:
    """Keeps the answers of `store` for less than `ttl` seconds each, at most `capacity` of them."""

    def __init__(self, store, ttl: float, capacity: int, grace: float = 0.0) -> None:
        """`store` has `async read(key)` and `async write(key, value)`; `ttl` > 0 and `grace` >= 0 are
        in seconds, `capacity` >= 1 is a number of keys. No event loop need be running here."""
        raise NotImplementedError("Write CacheAside.__init__ first.")

    async def get(self, key: str) -> bytes | None:
        """The value of `key`, from the cache if it is there, else from the store; None: there is no such key.

        Raises the store's error when the store can't be read and nothing may be served in its place.
        """
        raise NotImplementedError("Write CacheAside.get.")

    async def put(self, key: str, value: bytes) -> None:
        """Write `value` to the store, then to the cache. Raises the store's error when the write fails."""
        raise NotImplementedError("Write CacheAside.put.")

    async def invalidate(self, key: str) -> None:
        """Forget `key`: whatever is held, or on its way, is not served to any later get."""
        raise NotImplementedError("Write CacheAside.invalidate.")
