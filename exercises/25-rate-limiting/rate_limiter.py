"""25-rate-limiting: three rate limiters and a shared one, with one contract. README.md says what is asked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """What a limiter answers. README.md, "The contract", says what the three mean."""

    allowed: bool
    remaining: int
    retry_after: float | None  # seconds; None: never


class FixedWindow:
    """Admits a cost of `limit` in each window of `window` seconds, for each key."""

    def __init__(self, limit: int, window: float) -> None:
        """`limit` >= 1; `window` > 0 in seconds."""
        raise NotImplementedError("Write FixedWindow.__init__ first.")

    def allow(self, key: str, cost: int = 1) -> Decision:
        """Decide on one call of `key`. ValueError when `cost` is below 1."""
        raise NotImplementedError("Write FixedWindow.allow.")


class SlidingWindow:
    """Admits a cost of `limit` in any stretch of `window` seconds, for each key."""

    def __init__(self, limit: int, window: float) -> None:
        """`limit` >= 1; `window` > 0 in seconds."""
        raise NotImplementedError("Write SlidingWindow.__init__ first.")

    def allow(self, key: str, cost: int = 1) -> Decision:
        """Decide on one call of `key`. ValueError when `cost` is below 1."""
        raise NotImplementedError("Write SlidingWindow.allow.")


class TokenBucket:
    """Gives each key a bucket of `capacity` tokens that fills at `rate` tokens a second."""

    def __init__(self, capacity: int, rate: float) -> None:
        """`capacity` >= 1; `rate` > 0 in tokens a second."""
        raise NotImplementedError("Write TokenBucket.__init__ first.")

    def allow(self, key: str, cost: int = 1) -> Decision:
        """Decide on one call of `key`. ValueError when `cost` is below 1."""
        raise NotImplementedError("Write TokenBucket.allow.")


class SharedTokenBucket:
    """The same bucket, kept in a store that other servers use as well."""

    def __init__(self, store, capacity: int, rate: float, *, fail_open: bool, timeout: float) -> None:
        """`store` has `async read(key)` and `async compare_and_set(key, version, value, ttl)`; `timeout` > 0 is in
        seconds. No event loop need be running here."""
        raise NotImplementedError("Write SharedTokenBucket.__init__ first.")

    async def allow(self, key: str, cost: int = 1) -> Decision:
        """Decide on one call of `key`, within `timeout` seconds; by the policy when the store can't be asked.
        ValueError when `cost` is below 1."""
        raise NotImplementedError("Write SharedTokenBucket.allow.")
