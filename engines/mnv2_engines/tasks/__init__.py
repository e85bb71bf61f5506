"""Turn raw outputs into predictions: the seam that every task implements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mnv2_engines.geometry import View
from mnv2_engines.predictions import Prediction
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["Task", "TaskOptions"]


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What a task is made with: `make_NAME(options: TaskOptions) -> Task`.

    A task checks all of it against the network when it is made and raises ContractError or LabelsError then, so that a
    mistake ends a run before its first frame.
    """

    outputs: tuple[TensorSpec, ...]
    """The backend's `output_specs`."""
    final_operators: tuple[str, ...] = ()
    """The backend's `report().final_operators`; empty when it does not know."""
    labels: tuple[str, ...] | None = None
    """A name per class; None: classes are called `class 0`, `class 1`, ..."""
    labels_source: str = "the labels"
    """Where the labels come from, for messages."""
    top_k: int = 3
    score_threshold: float = 0.0
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """New label to the labels whose scores it adds up."""
    softmax: bool | None = None
    """Whether the task has to apply softmax to the outputs; None: it finds out."""


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
