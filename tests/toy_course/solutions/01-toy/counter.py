class Counter:
    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> int:
        """The sum of all amounts so far; ValueError when the amount is negative."""
        if amount < 0:
            raise ValueError(f"{amount} is negative")
        self.total += amount
        return self.total
