"""Hold what a network says about one frame."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

__all__ = ["Prediction"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and how sure the network is of it."""

    class_id: Annotated[int, Meta(ge=0, description="Index in the network's output; a group has its lowest member's.")]
    label: str
    score: Annotated[float, Meta(ge=0, le=1, description="Probability; a group has the sum of its members'.")]
