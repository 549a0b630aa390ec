class Counter:
    def add(self, amount: int) -> int:
        """The sum of all amounts so far; ValueError when the amount is negative."""
        raise NotImplementedError
