"""Evaluation of a detector on COCO annotations, one picture in memory at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mnv2_edge.building.pictures import spread_evenly
from mnv2_edge.config.model import TaskConfig
from mnv2_edge.errors import UsageError
from mnv2_edge.evaluation.coco import BoxedPicture, CocoData, read_coco
from mnv2_edge.evaluation.picture_inference import Labelled, PictureInference, PictureReader, describe_network
from mnv2_edge.evaluation.subject import EvaluationContext
from mnv2_edge.evaluation.thumbnails import draw_boxes
from mnv2_edge.evaluation.top_items import TopItems
from mnv2_edge.inference.network import Network
from mnv2_engines.errors import LabelsError
from mnv2_engines.evaluation.box_matching import match_boxes
from mnv2_engines.evaluation.class_names import match_labels
from mnv2_engines.evaluation.detection import DetectionTally, TruthBox
from mnv2_engines.evaluation.result import DetectionResult, PoorBoxes
from mnv2_engines.predictions import Detection

__all__ = ["evaluate_coco"]

_TASK: Final = TaskConfig(name="detect", top_k=100, score_threshold=0.001)
"""Average precision looks at every score, so hardly any detection is left out; COCO counts 100 a picture."""
_SHOWN: Final = 5
_WORST: Final = 48
"""Pictures that are kept to be shown: about 15 kB each."""


def evaluate_coco(bench: EvaluationContext) -> DetectionResult:
    """Evaluate the engine on COCO annotations, of the categories that it has a label for.

    Raises UsageError when the data are not annotations or hold nothing to judge, LabelsError when the network knows
    none of the categories, BackendUnavailableError without pycocotools.
    """
    options = bench.options
    path = Path(options.data).expanduser()
    if path.suffix.lower() != ".json":
        raise UsageError(
            f"--data {options.data} is not a file of annotations: a detector needs COCO's JSON, whose pictures lie "
            "beside it or in --pictures DIR"
        )
    data = read_coco(path, options.pictures)
    with bench.open_engine(_TASK) as network:
        known = _match(data, network)
        if left := [name for category, name in data.categories.items() if category not in known.values()]:
            more = ", ..." if len(left) > _SHOWN else ""
            bench.notes.append(f"left out, since the network has no such label: {', '.join(left[:_SHOWN])}{more}")
        pictures = _choose(data.pictures, options.limit)
        with bench.open_reference(network, _TASK) as reference:
            result = _evaluate(bench, data, pictures, known, (network, reference))
    return replace(result, data=options.data, notes=tuple(bench.notes))


def _match(data: CocoData, network: Network) -> Mapping[str, int]:
    """Return the category of every label that is one."""
    if not network.labels:
        raise LabelsError("the engine has no labels, by which categories are found: give them with --labels FILE")
    names = {name: category for category, name in data.categories.items()}
    found = match_labels(tuple(names), network.labels)
    if not found:
        raise LabelsError(
            f"none of the {len(names)} categories ({', '.join(list(names)[:_SHOWN])}, ...) is a label of the network "
            f"({', '.join(network.labels[:_SHOWN])}, ...): give its labels with --labels FILE"
        )
    return {network.labels[class_id]: names[name] for name, class_id in found.items()}


def _choose(pictures: Sequence[BoxedPicture], limit: int | None) -> list[Labelled[tuple[TruthBox, ...]]]:
    listed = [(picture.path, picture.boxes) for picture in pictures]
    return listed if limit is None else spread_evenly(listed, limit)


def _evaluate(
    bench: EvaluationContext,
    data: CocoData,
    pictures: Sequence[Labelled[tuple[TruthBox, ...]]],
    known: Mapping[str, int],
    networks: tuple[Network, Network | None],
) -> DetectionResult:
    judged = [network for network in networks if network is not None]
    inferences = [PictureInference(network) for network in judged]
    tallies = [DetectionTally(tuple(known.values())) for _ in judged]
    categories = frozenset(known.values())
    reader, worst = PictureReader(data.root, bench.progress, bench.options.picture_limits), TopItems[PoorBoxes](_WORST)
    for name, pixels, truth in reader.read(pictures):
        boxes = [box for box in truth if box.class_id in categories]
        for place, (inference, tally) in enumerate(zip(inferences, tallies, strict=True)):
            found = _by_category(inference.look(pixels)[0].detections, known)
            tally.add(boxes, found)
            matches = match_boxes(boxes, found)
            if place == 0 and matches.wrong and worst.takes(matches.wrong):
                worst.add(matches.wrong, PoorBoxes(name, matches, draw_boxes(pixels, matches)))
    if not tallies[0].boxes:
        raise UsageError(
            f"no box of what the network knows is in the {tallies[0].pictures} pictures, so there is nothing to judge: "
            "expected annotations of its labels, and a --limit that is not too low"
        )
    figures = [tally.figures() for tally in tallies]
    described = [describe_network(network) for network in judged]
    return DetectionResult(
        judged=described[0],
        data="",
        categories={category: data.categories[category] for category in sorted(known.values())},
        found=len(data.pictures),
        pictures=tallies[0].pictures,
        boxes=tallies[0].boxes,
        figures=figures[0],
        worst=worst.items(),
        unreadable=tuple(reader.unreadable),
        reference=(described[1], figures[1]) if len(judged) > 1 else None,
    )


def _by_category(detections: Sequence[Detection], known: Mapping[str, int]) -> list[Detection]:
    """Return the detections of what is evaluated, with the category for the class."""
    return [replace(found, class_id=known[found.label]) for found in detections if found.label in known]
