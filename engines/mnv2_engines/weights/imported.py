"""What an import starts from and what it finds in a file."""

from dataclasses import dataclass

from mnv2_engines.errors import ModelError
from mnv2_engines.networks import MobileNetV2, NetworkWeights
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = ["Expected", "ImportedNetwork"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the user says about a file; None where the user says nothing and the file decides."""

    width: float | None = None
    size_hw: tuple[int, int] | None = None
    classes: int | None = None
    part: str | None = None
    """Which of several networks in a checkpoint is meant: what stands before `features.` in its names."""

    def check_classes(self, found: int) -> None:
        """Raise ModelError when a file has another number of classes than the user said."""
        if self.classes is not None and self.classes != found:
            raise ModelError(f"the file has {found} classes, and --classes {self.classes} was given: leave it out")


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network with its weights, ready to be written."""

    network: MobileNetV2
    weights: NetworkWeights
    preprocess: Preprocess
    origin: str
    """The framework, and whose conventions for pictures are assumed."""
    notes: tuple[str, ...] = ()
    """What was assumed, for the user to confirm."""
