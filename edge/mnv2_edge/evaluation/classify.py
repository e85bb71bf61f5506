"""Judge a classifier by pictures in class folders, one picture in memory at a time."""

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from mnv2_edge.calibration import spread_evenly
from mnv2_edge.errors import SourceError
from mnv2_edge.evaluation.class_folders import ClassFolders
from mnv2_edge.evaluation.thumbnails import draw_thumbnail
from mnv2_edge.network import Network
from mnv2_edge.sources.pictures import read_picture
from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.result import (
    ClassificationResult,
    Difference,
    Judged,
    Mistake,
    Reference,
    Unreadable,
)
from mnv2_engines.geometry import View
from mnv2_engines.predictions import Prediction
from mnv2_engines.tensors import UInt8Array

__all__ = ["TOP_K", "LabelledPicture", "choose_pictures", "evaluate_classifier"]

TOP_K: Final = 5
"""What the networks' tasks have to give: top-5 accuracy needs no more, and a report shows no more."""
_SHOWN: Final = 48
"""Pictures that are kept to be shown: about 8 kB each."""

Progress: TypeAlias = Callable[[int, int], None]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file and the class that it shows."""

    path: Path
    class_id: int


def choose_pictures(
    folders: ClassFolders, classes: Mapping[str, int], limit: int | None
) -> tuple[LabelledPicture, ...]:
    """Return the pictures, of more than `limit` some that are spread evenly: every class keeps its share."""
    pictures = [LabelledPicture(path, classes[folder]) for folder, paths in folders.pictures.items() for path in paths]
    return tuple(pictures if limit is None else spread_evenly(pictures, limit))


def evaluate_classifier(
    network: Network,
    reference: Network | None,
    folders: ClassFolders,
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    progress: Progress = lambda _done, _total: None,
) -> ClassificationResult:
    """Show every picture to the engine and, if there is one, to its float network; return what was found.

    The networks' tasks give the best `TOP_K` classes without a score threshold; `labels` has one name per class. A
    picture that cannot be read is counted and named. Raises SourceError when none can be, and what a network raises.
    """
    tally, worst = ClassificationTally(len(labels)), _Greatest[Mistake](_SHOWN)
    against = None if reference is None else _Against(reference, len(labels))
    eye, unreadable = _Eye(network), list[Unreadable]()
    for picture in pictures:
        progress(len(unreadable) + tally.pictures, len(pictures))
        name = _shown(picture.path.relative_to(folders.root))
        try:
            pixels = read_picture(picture.path)
        except SourceError as exc:
            unreadable.append(Unreadable(name, str(exc)))
            continue
        predictions, view = eye.look(pixels)
        right = tally.add(picture.class_id, predictions)
        score = predictions[0].score if predictions else 0.0
        if not right and worst.takes(score):
            worst.add(score, Mistake(name, picture.class_id, predictions, draw_thumbnail(pixels, view)))
        if against is not None:
            against.look(name, picture.class_id, pixels, predictions, view)
    progress(len(pictures), len(pictures))
    if not tally.pictures:
        raise SourceError(f"none of {len(unreadable)} pictures can be read; the first: {unreadable[0].reason}")
    return ClassificationResult(
        judged=_judged(network),
        data=str(folders.root),
        labels=tuple(labels),
        found=folders.count,
        tally=tally,
        worst=worst.items(),
        unreadable=tuple(unreadable),
        reference=None if against is None else against.result(),
    )


class _Eye:
    """Take one network's way from pixels to predictions, as a running camera does."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._preparer = network.make_preparer()
        self._buffer = network.backend.allocate_input()

    def look(self, pixels: UInt8Array) -> tuple[tuple[Prediction, ...], View]:
        """Return what the network says of a BGR picture, and which part of it it sees."""
        view = self._preparer.prepare(pixels, "BGR", self._buffer)
        network = self._network
        return network.task.decode(network.backend.infer(self._buffer), view).predictions, view


class _Against:
    """Hold the float network's answers against the engine's."""

    def __init__(self, network: Network, classes: int) -> None:
        self._network = network
        self._eye = _Eye(network)
        self._tally = ClassificationTally(classes)
        self._paired = PairedTally()
        self._differences = _Greatest[Difference](_SHOWN)

    def look(self, name: str, truth: int, pixels: UInt8Array, engine: tuple[Prediction, ...], view: View) -> None:
        """Count one picture that the engine has seen."""
        own, _ = self._eye.look(pixels)
        right = self._tally.add(truth, own)
        said, other = (found[0].class_id if found else None for found in (engine, own))
        self._paired.add(same=said == other, engine_right=said == truth, reference_right=right)
        score = engine[0].score if engine else 0.0
        if said != other and self._differences.takes(score):
            self._differences.add(score, Difference(name, truth, engine, own, draw_thumbnail(pixels, view)))

    def result(self) -> Reference:
        """Return what was counted."""
        return Reference(_judged(self._network), self._tally, self._paired, self._differences.items())


class _Greatest(Generic[_Item]):
    """Keep the items with the greatest scores; of equal ones the first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, _Item]] = []
        self._places = itertools.count(0, -1)

    def takes(self, score: float) -> bool:
        """Say whether an item of this score would be kept: drawing one that is not would be a waste."""
        return len(self._heap) < self._most or score > self._heap[0][0]

    def add(self, score: float, item: _Item) -> None:
        """Keep an item, and drop the least one when there are too many."""
        entry = (score, next(self._places), item)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> tuple[_Item, ...]:
        """Return what was kept, the greatest score first."""
        return tuple(item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True))


def _judged(network: Network) -> Judged:
    return Judged(network.engine_id, network.backend.report().runtime, network.preprocess)


def _shown(path: Path) -> str:
    """Return a path that a terminal can print: file names may hold any bytes."""
    text = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
