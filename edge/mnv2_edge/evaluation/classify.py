"""Evaluation of a classifier on pictures in class folders, one picture in memory at a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mnv2_edge.building.pictures import spread_evenly
from mnv2_edge.config.model import TaskConfig
from mnv2_edge.evaluation.class_folders import ClassFolders, read_class_folders
from mnv2_edge.evaluation.picture_inference import Labelled, PictureInference, PictureReader, Progress, describe_network
from mnv2_edge.evaluation.subject import EvaluationContext
from mnv2_edge.evaluation.thumbnails import draw_thumbnail
from mnv2_edge.evaluation.top_items import TopItems
from mnv2_edge.inference.network import Network
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_engines.evaluation.class_names import match_classes
from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.hints import find_hints
from mnv2_engines.evaluation.result import (
    ClassificationResult,
    Disagreement,
    FloatResult,
    Misclassification,
)
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import UInt8Array

__all__ = ["TOP_K", "choose_pictures", "evaluate_class_folders", "evaluate_classifier"]

TOP_K: Final = 5
"""What the networks' tasks have to give: top-5 accuracy needs no more, and a report shows no more."""
_SHOWN: Final = 48
"""Pictures that are kept to be shown: about 8 kB each."""


def evaluate_class_folders(bench: EvaluationContext) -> ClassificationResult:
    """Evaluate the engine on class folders. Raises LabelsError for folders that are not classes of the network."""
    folders = read_class_folders(bench.options.data)
    task = TaskConfig(name="classify", top_k=TOP_K, score_threshold=0.0)
    with bench.open_engine(task) as network:
        classes = math.prod(network.backend.output_specs[0].shape)
        ids = match_classes(tuple(folders.pictures), network.labels or None, classes)
        labels = network.labels or _name_classes(ids, classes)
        _note_data(bench, folders, network)
        pictures = choose_pictures(folders, ids, bench.options.limit)
        with bench.open_reference(network, task) as reference:
            result = evaluate_classifier(
                network, reference, folders, pictures, labels, bench.progress, bench.options.picture_limits
            )
    return replace(result, notes=(*bench.notes, *find_hints(result)))


def choose_pictures(folders: ClassFolders, classes: Mapping[str, int], limit: int | None) -> tuple[Labelled[int], ...]:
    """Return pictures with their classes, of more than `limit` some that are spread evenly: each keeps its share."""
    pictures = [(path, classes[folder]) for folder, paths in folders.pictures.items() for path in paths]
    return tuple(pictures if limit is None else spread_evenly(pictures, limit))


def evaluate_classifier(
    network: Network,
    reference: Network | None,
    folders: ClassFolders,
    pictures: Sequence[Labelled[int]],
    labels: Sequence[str],
    progress: Progress = lambda _done, _total: None,
    limits: PictureLimits = DEFAULT_LIMITS,
) -> ClassificationResult:
    """Show every picture to the engine and, if there is one, to its float network; return what was found.

    The networks' tasks give the best `TOP_K` classes without a score threshold; `labels` has one name per class. A
    picture that cannot be read is counted and named. Raises SourceError when none can be, and what a network raises.
    """
    tally, worst = ClassificationTally(len(labels)), TopItems[Misclassification](_SHOWN)
    against = None if reference is None else _Against(reference, len(labels))
    inference, reader = PictureInference(network), PictureReader(folders.root, progress, limits)
    for name, pixels, truth in reader.read(pictures):
        findings, view = inference.look(pixels)
        predictions = findings.predictions
        right = tally.add(truth, predictions)
        score = predictions[0].score if predictions else 0.0
        if not right and worst.takes(score):
            worst.add(score, Misclassification(name, truth, predictions, draw_thumbnail(pixels, view)))
        if against is not None:
            against.look(name, truth, pixels, predictions, view)
    return ClassificationResult(
        judged=describe_network(network),
        data=str(folders.root),
        labels=tuple(labels),
        found=folders.count,
        tally=tally,
        worst=worst.items(),
        unreadable=tuple(reader.unreadable),
        reference=None if against is None else against.result(),
    )


def _note_data(bench: EvaluationContext, folders: ClassFolders, network: Network) -> None:
    if not network.labels:
        bench.notes.append("the engine has no labels: classes are called like the folders")
    if folders.ignored:
        left_out = ", ".join(f"{count} {suffix}" for suffix, count in sorted(folders.ignored.items()))
        bench.notes.append(f"files of a kind that is not read: {left_out}")


def _name_classes(ids: Mapping[str, int], classes: int) -> Sequence[str]:
    names = {class_id: folder for folder, class_id in ids.items()}
    return tuple(names.get(class_id, f"class {class_id}") for class_id in range(classes))


class _Against:
    """Comparison of the float network's answers with the engine's."""

    def __init__(self, network: Network, classes: int) -> None:
        self._network = network
        self._inference = PictureInference(network)
        self._tally = ClassificationTally(classes)
        self._paired = PairedTally()
        self._differences = TopItems[Disagreement](_SHOWN)

    def look(self, name: str, truth: int, pixels: UInt8Array, engine: tuple[Prediction, ...], view: View) -> None:
        """Count one picture that the engine has seen."""
        own = self._inference.look(pixels)[0].predictions
        right = self._tally.add(truth, own)
        said, other = (found[0].class_id if found else None for found in (engine, own))
        self._paired.add(same=said == other, engine_right=said == truth, reference_right=right)
        score = engine[0].score if engine else 0.0
        if said != other and self._differences.takes(score):
            self._differences.add(score, Disagreement(name, truth, engine, own, draw_thumbnail(pixels, view)))

    def result(self) -> FloatResult:
        """Return what was counted."""
        return FloatResult(describe_network(self._network), self._tally, self._paired, self._differences.items())
