"""Evaluation of a segmenter on masks, one picture in memory at a time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mnv2_edge.building.pictures import spread_evenly
from mnv2_edge.config.model import TaskConfig
from mnv2_edge.errors import SourceError
from mnv2_edge.evaluation.mask_folders import read_mask, read_mask_folders
from mnv2_edge.evaluation.picture_inference import Labelled, PictureInference, PictureReader, describe_network
from mnv2_edge.evaluation.subject import EvaluationContext
from mnv2_edge.evaluation.thumbnails import draw_areas
from mnv2_edge.evaluation.top_items import TopItems
from mnv2_edge.inference.network import Network
from mnv2_edge.sources.decoding.limits import PictureLimits
from mnv2_engines.errors import ContractError
from mnv2_engines.evaluation.result import PoorPicture, SegmentationResult, UnreadablePicture
from mnv2_engines.evaluation.segmentation import SegmentationTally
from mnv2_engines.predictions import UNSEEN
from mnv2_engines.printable import printable
from mnv2_engines.tensors import UInt8Array

__all__ = ["evaluate_masks"]

_TASK: Final = TaskConfig(name="segment", score_threshold=0.0, mask_size="source")
_SHOWN: Final = 24
_NOTABLE: Final = 0.01


def evaluate_masks(bench: EvaluationContext) -> SegmentationResult:
    """Evaluate the engine on pictures and masks, pixel by pixel of the source picture.

    Raises UsageError when the data are laid out otherwise, LibraryMissingError without Pillow.
    """
    options = bench.options
    data = read_mask_folders(Path(options.data).expanduser())
    pairs = list(data.pairs) if options.limit is None else spread_evenly(data.pairs, options.limit)
    if data.without:
        bench.notes.append(f"{data.without} pictures have no mask and are left out")
    with bench.open_engine(_TASK) as network, bench.open_reference(network, _TASK) as reference:
        result = _evaluate(bench, data.root, pairs, (network, reference))
    if result.tally.unseen > _NOTABLE:
        bench.notes.append(
            f"{100 * result.tally.unseen:.1f} % of the pixels lie outside of what the network sees and are left out: "
            "--resize stretch shows it all of a picture"
        )
    return replace(result, data=options.data, found=len(data.pairs), notes=tuple(bench.notes))


def _evaluate(
    bench: EvaluationContext, root: Path, pairs: Sequence[Labelled[Path]], networks: tuple[Network, Network | None]
) -> SegmentationResult:
    judged = [network for network in networks if network is not None]
    inferences, tallies = [PictureInference(network) for network in judged], [SegmentationTally() for _ in judged]
    reader, worst = PictureReader(root, bench.progress, bench.options.picture_limits), TopItems[PoorPicture](_SHOWN)
    labels = judged[0].labels
    for name, pixels, mask in reader.read(pairs):
        try:
            truth = _read_truth(mask, pixels, len(labels), bench.options.picture_limits)
        except SourceError as exc:
            reader.unreadable.append(UnreadablePicture(name, printable(str(exc))))
            continue
        for place, (inference, tally) in enumerate(zip(inferences, tallies, strict=True)):
            found = _class_map(inference, pixels)
            iou = tally.add(truth, found)
            if place == 0 and iou is not None and worst.takes(-iou):
                worst.add(-iou, PoorPicture(name, iou, draw_areas(pixels, truth, found)))
    described = [describe_network(network) for network in judged]
    return SegmentationResult(
        judged=described[0],
        data="",
        labels=labels,
        found=0,
        tally=tallies[0],
        worst=worst.items(),
        unreadable=tuple(reader.unreadable),
        reference=(described[1], tallies[1]) if len(judged) > 1 else None,
    )


def _read_truth(mask: Path, pixels: UInt8Array, classes: int, limits: PictureLimits) -> UInt8Array:
    truth = read_mask(mask, limits)
    if truth.shape != pixels.shape[:2]:
        raise SourceError(
            f"{mask} is {truth.shape[1]}x{truth.shape[0]}, its picture {pixels.shape[1]}x{pixels.shape[0]}"
        )
    labelled = truth[truth != UNSEEN]
    if classes and labelled.size and int(labelled.max()) >= classes:
        raise SourceError(f"{mask} has class {int(labelled.max())}, the network has {classes} labels, from 0")
    return truth


def _class_map(inference: PictureInference, pixels: UInt8Array) -> UInt8Array:
    class_map = inference.look(pixels)[0].class_map
    if class_map is None:
        raise ContractError(
            "the task gives no map of classes, which the evaluation of a segmenter needs: expected `segment`"
        )
    return class_map.pixels
