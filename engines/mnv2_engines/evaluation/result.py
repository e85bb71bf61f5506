"""Hold what an evaluation of a classifier found, for whoever prints or draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocess import Preprocess

__all__ = ["ClassificationResult", "Difference", "Judged", "Mistake", "Reference", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture whose best label is wrong."""

    picture: str
    """Its path below the data set's folder."""
    truth: int
    predictions: tuple[Prediction, ...]
    """Best first, at most five."""
    thumbnail: bytes
    """A small JPEG; what the network does not see of the picture is dimmed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A picture on which the engine and the float network put another class first."""

    picture: str
    truth: int
    engine: tuple[Prediction, ...]
    reference: tuple[Prediction, ...]
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be judged."""

    picture: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Say what was evaluated: one network and what it was fed with."""

    name: str
    """`signs@1a2b3c4d5e6f`, or the float network's file."""
    runtime: str
    preprocess: Preprocess


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the float network made of the same pictures."""

    judged: Judged
    tally: ClassificationTally
    paired: PairedTally
    differences: tuple[Difference, ...]
    """All of them up to a bound; the surest engine first."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationResult:
    """Everything that was found."""

    judged: Judged
    data: str
    """The data set's folder."""
    labels: Sequence[str]
    """A name for every class."""
    found: int
    """Pictures in the folders, of which `--limit` may have taken some."""
    tally: ClassificationTally
    worst: tuple[Mistake, ...]
    """Wrong pictures up to a bound: the surest first."""
    unreadable: tuple[Unreadable, ...]
    reference: Reference | None
    notes: tuple[str, ...] = ()
    """What the reader should know: how classes were matched, why there is no float network, likely mistakes."""
