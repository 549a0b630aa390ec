"""What all checks of a run add up to, beside their verdicts."""

from __future__ import annotations

import msgspec

from kata.report.model import Dependability


class Tally(msgspec.Struct):
    """Counts of what was asked while faults were on and of what was answered at all, and the lines that were run."""

    operations: int = 0
    answered: int = 0
    answers: int = 0
    wrong: int = 0
    executed: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """By file."""
    statements: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """The lines that could be run, by file."""

    def add(self, other: Tally) -> None:
        """Take in what was counted elsewhere."""
        self.operations += other.operations
        self.answered += other.answered
        self.answers += other.answers
        self.wrong += other.wrong
        for file, lines in other.executed.items():
            self.executed.setdefault(file, set()).update(lines)
        self.statements.update(other.statements)

    def all_executed(self) -> bool:
        """Whether no line is left to be run."""
        return bool(self.statements) and all(
            set(lines) <= self.executed.get(file, set()) for file, lines in self.statements.items()
        )

    def dependability(self) -> Dependability:
        return Dependability(
            operations=self.operations,
            answered=self.answered,
            answers=self.answers,
            right=max(0, self.answers - self.wrong),
        )
