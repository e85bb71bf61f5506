"""Text of a segmenter's result: how well areas fit."""

from typing import Final

from mnv2_edge.cli.text.evaluation.figures import align, describe_engine, engine_json, percent, pictures_json
from mnv2_edge.cli.ui.tables import format_table
from mnv2_engines.evaluation.result import EvaluatedEngine, SegmentationResult
from mnv2_engines.evaluation.segmentation import SegmentationTally

__all__ = ["summarise", "to_json"]

_WORST: Final = 8


def summarise(result: SegmentationResult) -> list[str]:
    """Return mean IoU, the float network's beside it, every class, and the pictures that fit worst."""
    tally = result.tally
    rows = [
        ("engine", describe_engine(result.judged)),
        ("data", f"{result.data}: {tally.pictures} of {result.found} pictures, {tally.judged:,} pixels"),
        ("mean IoU", percent(tally.mean_iou)),
        ("pixels", f"{percent(tally.pixel_accuracy)} have their class"),
    ]
    if result.reference is not None:
        judged, other = result.reference
        rows.append(("float", f"mean IoU {percent(other.mean_iou)}, {judged.name}"))
    floats = {} if result.reference is None else {one.class_id: one.iou for one in result.reference[1].classes()}
    classes = [
        (result.name(one.class_id), f"{one.true:,}", percent(one.iou), percent(floats.get(one.class_id)))
        for one in tally.classes()
    ]
    worst = [(one.picture, percent(one.iou)) for one in result.worst[:_WORST]]
    return [
        align(rows),
        format_table(("class", "true pixels", "IoU", "float's IoU"), classes),
        format_table(("fits worst", "mean IoU"), worst),
    ]


def to_json(result: SegmentationResult) -> dict[str, object]:
    """Return everything but the pictures as plain values."""
    return {
        "task": "segment",
        "data": result.data,
        "pictures": pictures_json(result.found, result.tally.pictures, result.unreadable),
        "engine": _network_json(result, result.judged, result.tally),
        "float": None if result.reference is None else _network_json(result, *result.reference),
        "worst": [{"picture": one.picture, "iou": one.iou} for one in result.worst],
        "notes": list(result.notes),
    }


def _network_json(result: SegmentationResult, judged: EvaluatedEngine, tally: SegmentationTally) -> dict[str, object]:
    classes = [
        {
            "class_id": one.class_id,
            "label": result.name(one.class_id),
            "true": one.true,
            "found": one.found,
            "both": one.both,
            "iou": one.iou,
        }
        for one in tally.classes()
    ]
    return {
        **engine_json(judged),
        "mean_iou": tally.mean_iou,
        "pixel_accuracy": tally.pixel_accuracy,
        "unseen": tally.unseen,
        "classes": classes,
    }
