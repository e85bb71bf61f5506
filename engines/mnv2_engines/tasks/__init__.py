"""Turn raw outputs into predictions: the seam that every task implements."""

from collections.abc import Sequence
from typing import Protocol

from mnv2_engines.geometry import View
from mnv2_engines.predictions import Prediction
from mnv2_engines.tensors import FloatArray

__all__ = ["Task"]


class Task(Protocol):
    """Decode one frame's outputs."""

    @property
    def name(self) -> str:
        """Return the task's name as in `--task`."""
        ...

    def decode(self, outputs: Sequence[FloatArray], view: View) -> tuple[Prediction, ...]:
        """Return what the network saw, best first.

        `outputs` are only valid during the call. `view` maps network pixels to source pixels.
        """
        ...
