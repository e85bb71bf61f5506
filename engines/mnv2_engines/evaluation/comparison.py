"""Comparison of two networks' answers to the same pictures."""

import math

from mnv2_engines.evaluation.classification import Proportion

__all__ = ["PairedTally"]


class PairedTally:
    """Counts of where an engine and its float network agree, and which of them is right where they differ."""

    def __init__(self) -> None:
        self.pictures = 0
        self.same = 0
        self.engine_alone_right = 0
        self.reference_alone_right = 0

    def add(self, *, same: bool, engine_right: bool, reference_right: bool) -> None:
        """Count one picture; `same`: both put the same class first."""
        self.pictures += 1
        self.same += same
        self.engine_alone_right += engine_right and not reference_right
        self.reference_alone_right += reference_right and not engine_right

    @property
    def agreement(self) -> Proportion:
        """Return how often both put the same class first."""
        return Proportion(self.same, self.pictures)

    @property
    def chance(self) -> float:
        """Return how likely chance alone makes the two accuracies differ this much or more.

        McNemar's test in its exact form, two-sided: where only one of two equally good networks is right, it is either
        with probability 1/2. (Q. McNemar, "Note on the sampling error of the difference between correlated proportions
        or percentages", Psychometrika 12, 1947.)
        """
        discordant = self.engine_alone_right + self.reference_alone_right
        fewer = min(self.engine_alone_right, self.reference_alone_right)
        tail = sum(math.comb(discordant, count) for count in range(fewer + 1))
        return min(1.0, float(2 * tail / (1 << discordant)))
