"""Hold what a network says about one frame."""

from dataclasses import dataclass

__all__ = ["Prediction"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and how sure the network is of it."""

    class_id: int
    """Index in the network's output; the lowest member's for a group."""
    label: str
    score: float
    """Probability, 0 to 1; for a group the sum of its members'."""
