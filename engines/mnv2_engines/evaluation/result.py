"""The results of evaluations, for code that prints or draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mnv2_engines.evaluation.box_matching import BoxMatches
from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.detection import DetectionFigures
from mnv2_engines.evaluation.segmentation import SegmentationTally
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = [
    "ClassificationResult",
    "DetectionResult",
    "Disagreement",
    "EvaluatedEngine",
    "EvaluationResult",
    "FloatResult",
    "Misclassification",
    "PoorBoxes",
    "PoorPicture",
    "SegmentationResult",
    "UnreadablePicture",
]


@dataclass(frozen=True, slots=True)
class Misclassification:
    """A picture whose best label is wrong."""

    picture: str
    """Its path below the data set's folder."""
    truth: int
    predictions: tuple[Prediction, ...]
    """Best first, at most five."""
    thumbnail: bytes
    """A small JPEG; what the network does not see of the picture is dimmed."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A picture on which the engine and the float network put another class first."""

    picture: str
    truth: int
    engine: tuple[Prediction, ...]
    reference: tuple[Prediction, ...]
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class UnreadablePicture:
    """A picture that could not be evaluated."""

    picture: str
    reason: str


@dataclass(frozen=True, slots=True)
class EvaluatedEngine:
    """What was evaluated: one network and its data."""

    name: str
    """`signs@1a2b3c4d5e6f`, or the float network's file."""
    runtime: str
    preprocess: Preprocess


@dataclass(frozen=True, slots=True, eq=False)
class FloatResult:
    """Results of the float network on the same pictures."""

    judged: EvaluatedEngine
    tally: ClassificationTally
    paired: PairedTally
    differences: tuple[Disagreement, ...]
    """All of them up to a bound; the surest engine first."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationResult:
    """Complete result for a classifier."""

    judged: EvaluatedEngine
    data: str
    """The data set's folder."""
    labels: Sequence[str]
    """A name for every class."""
    found: int
    """Pictures in the folders, of which `--limit` may have taken some."""
    tally: ClassificationTally
    worst: tuple[Misclassification, ...]
    """Wrong pictures up to a bound: the surest first."""
    unreadable: tuple[UnreadablePicture, ...]
    reference: FloatResult | None
    notes: tuple[str, ...] = ()
    """What the reader should know: how classes were matched, why there is no float network, likely mistakes."""

    @property
    def accuracy(self) -> float:
        """Return top-1, the figure that this task is judged by."""
        return self.tally.top1.value


@dataclass(frozen=True, slots=True)
class PoorBoxes:
    """A picture with missed things, or with detections of things that are not there."""

    picture: str
    matches: BoxMatches
    thumbnail: bytes
    """A small JPEG with what is right, missed and wrongly found in three colours."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectionResult:
    """Complete result for a detector."""

    judged: EvaluatedEngine
    data: str
    """The file of annotations."""
    categories: dict[int, str]
    """Id to name of what was judged."""
    found: int
    pictures: int
    boxes: int
    figures: DetectionFigures
    worst: tuple[PoorBoxes, ...]
    """Pictures with mistakes up to a bound: the most mistakes first."""
    unreadable: tuple[UnreadablePicture, ...]
    reference: tuple[EvaluatedEngine, DetectionFigures] | None
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """Return the average precision over classes and overlaps, the figure that this task is judged by."""
        return self.figures.ap


@dataclass(frozen=True, slots=True)
class PoorPicture:
    """A picture whose areas fit badly."""

    picture: str
    iou: float
    """Mean over its classes."""
    thumbnail: bytes
    """A small JPEG: the picture, the truth and what was found side by side, in the colours of the classes."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationResult:
    """Complete result for a segmenter."""

    judged: EvaluatedEngine
    data: str
    labels: Sequence[str]
    """Empty when classes have no names."""
    found: int
    tally: SegmentationTally
    worst: tuple[PoorPicture, ...]
    unreadable: tuple[UnreadablePicture, ...]
    reference: tuple[EvaluatedEngine, SegmentationTally] | None
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """Return the mean IoU, the figure that this task is judged by."""
        return self.tally.mean_iou

    def name(self, class_id: int) -> str:
        """Return what a class is called."""
        return self.labels[class_id] if class_id < len(self.labels) else f"class {class_id}"


EvaluationResult: TypeAlias = ClassificationResult | DetectionResult | SegmentationResult
