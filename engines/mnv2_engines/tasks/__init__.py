"""The interface that every task implements; a task turns raw outputs into findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import ContractError
from mnv2_engines.predictions import Findings
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["MaskForm", "MaskSize", "Task", "TaskOptions", "check_limits"]

MaskForm: TypeAlias = Literal["none", "rle", "png"]
MaskSize: TypeAlias = Literal["network", "source"]


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What a task is made with: `make_NAME(options: TaskOptions) -> Task`.

    A task checks all of it against the network when it is made and raises ContractError or LabelsError then, so that a
    mistake ends a run before its first frame.
    """

    outputs: tuple[TensorSpec, ...]
    """The backend's `output_specs`."""
    input: TensorSpec | None = None
    """The backend's `input_spec`; needed by a task that tells places."""
    final_operators: tuple[str, ...] = ()
    """The backend's `report().final_operators`; empty when it does not know."""
    labels: tuple[str, ...] | None = None
    """A name per class; None: classes are called `class 0`, `class 1`, ..."""
    labels_source: str = "the labels"
    """Where the labels come from, for messages."""
    top_k: int | None = None
    """At most so many of a frame; None: as many as suit the task."""
    score_threshold: float | None = None
    """Leave out what scores less, 0 to 1; None: what suits the task."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Label to a threshold of its own, instead of `score_threshold`."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """New label to the labels whose scores it adds up."""
    softmax: bool | None = None
    """Whether the task has to apply softmax to the outputs; None: it finds out."""
    detection: DetectionFacts | None = None
    """How a detector's outputs are to be read, as the engine states it."""
    segmentation: SegmentationFacts | None = None
    """The same of a segmenter."""
    mask: MaskForm = "none"
    """In which form a segmenter publishes the class of every pixel."""
    mask_size: MaskSize = "network"
    """Whether that mask has the network's pixels or the picture's."""


class Task(Protocol):
    """Decoder of one frame's outputs."""

    @property
    def name(self) -> str:
        """Return the task's name as in `--task`."""
        ...

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:
        """Return what the network saw.

        `outputs` are only valid during the call. `view` maps network pixels to pixels of the camera's whole upright
        picture, which are those of every box.
        """
        ...


def check_limits(options: TaskOptions, top_k: int, score_threshold: float) -> tuple[int, float]:
    """Return `top_k` and `score_threshold` of the options, or these where they are silent.

    Raises ContractError when one is out of range.
    """
    if options.top_k is not None:
        top_k = options.top_k
    if options.score_threshold is not None:
        score_threshold = options.score_threshold
    if top_k < 1:
        raise ContractError(f"top_k {top_k} is out of range: expected 1 or more")
    if not 0.0 <= score_threshold <= 1.0:
        raise ContractError(f"score_threshold {score_threshold} is out of range: expected 0 to 1")
    return top_k, score_threshold
