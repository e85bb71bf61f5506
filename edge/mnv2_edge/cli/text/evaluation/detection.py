"""Text of a detector's result: how well boxes fit."""

from dataclasses import asdict
from typing import Final

from mnv2_edge.cli.text.evaluation.figures import align, describe_engine, engine_json, percent, pictures_json
from mnv2_edge.cli.ui.tables import format_table
from mnv2_engines.evaluation.detection import DetectionFigures
from mnv2_engines.evaluation.result import DetectionResult, EvaluatedEngine

__all__ = ["summarise", "to_json"]

_CLASSES: Final = 20
_PICTURES: Final = 5


def summarise(result: DetectionResult) -> list[str]:
    """Return COCO's figures, the float network's beside them, the weakest classes and the worst pictures."""
    data = (
        f"{result.data}: {result.pictures} of {result.found} pictures, {result.boxes} boxes of {len(result.categories)}"
    )
    headline = align([("engine", describe_engine(result.judged)), ("data", f"{data} classes")])
    rows = [("engine", *_cells(result.figures))]
    if result.reference is not None:
        judged, figures = result.reference
        rows.append((f"float, {judged.name}", *_cells(figures)))
    columns = ("", "AP", "AP50", "AP75", "small", "medium", "large", "recall")
    classes = sorted(result.figures.classes, key=lambda one: one.ap)[:_CLASSES]
    worst = [
        (one.picture, str(len(one.matches.missed)), str(len(one.matches.extra))) for one in result.worst[:_PICTURES]
    ]
    tables = [
        headline,
        format_table(columns, rows),
        format_table(
            ("class, weakest first", "boxes", "AP", "AP50"),
            [(result.categories[one.class_id], str(one.boxes), percent(one.ap), percent(one.ap50)) for one in classes],
        ),
    ]
    if worst:
        tables.append(format_table(("most mistakes", "missed", "not there"), worst))
    return tables


def to_json(result: DetectionResult) -> dict[str, object]:
    """Return everything but the pictures as plain values."""
    return {
        "task": "detect",
        "data": result.data,
        "pictures": pictures_json(result.found, result.pictures, result.unreadable),
        "boxes": result.boxes,
        "engine": _network_json(result, result.judged, result.figures),
        "float": None if result.reference is None else _network_json(result, *result.reference),
        "worst": [
            {"picture": one.picture, "missed": len(one.matches.missed), "not_there": len(one.matches.extra)}
            for one in result.worst
        ],
        "notes": list(result.notes),
    }


def _cells(figures: DetectionFigures) -> tuple[str, ...]:
    sizes = (figures.ap_small, figures.ap_medium, figures.ap_large)
    return tuple(percent(value) for value in (figures.ap, figures.ap50, figures.ap75, *sizes, figures.recall))


def _network_json(result: DetectionResult, judged: EvaluatedEngine, figures: DetectionFigures) -> dict[str, object]:
    classes = [{"label": result.categories[one.class_id], **asdict(one)} for one in figures.classes]
    return {**engine_json(judged), **asdict(figures), "classes": classes}
