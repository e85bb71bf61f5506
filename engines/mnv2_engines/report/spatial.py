"""The report on a detector or a segmenter as one HTML file that needs nothing else."""

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Final

from mnv2_engines.evaluation.box_matching import SURE
from mnv2_engines.evaluation.detection import DetectionFigures
from mnv2_engines.evaluation.result import DetectionResult, PoorBoxes, PoorPicture, SegmentationResult
from mnv2_engines.evaluation.segmentation import SegmentationTally
from mnv2_engines.report.page import (
    describe_evaluated,
    embed_jpeg,
    fill_page,
    list_unreadable,
    make_list,
    make_rows,
    make_table,
    percent,
)

__all__ = ["render_detection", "render_segmentation"]

_TOLD: Final = 6


def render_detection(result: DetectionResult) -> str:
    """Return COCO's figures for engine and float network, the worst pictures, and the figures of every class."""
    rows = [("Engine", *_precisions(result.figures))]
    provenance = [("Data", f"{result.data}, {result.found} pictures"), ("Engine", describe_evaluated(result.judged))]
    if result.reference is not None:
        judged, figures = result.reference
        rows.append(("Float network", *_precisions(figures)))
        provenance.append(("Float network", describe_evaluated(judged)))
    ap = percent(result.figures.ap)
    return fill_page(
        "spatial.html",
        title=escape(f"{result.judged.name}: AP {ap}"),
        verdict=escape(f"{result.judged.name} has an AP of {ap} on {result.boxes} boxes in {result.pictures} pictures"),
        notes=make_list(result.notes),
        figures=make_table(("", "AP", "AP50", "AP75", "Small", "Medium", "Large", "Recall"), rows),
        explanation="AP is the average precision over classes, and over the overlaps from 0.5 to 0.95 that a box has "
        "to reach. Small boxes are below 32 x 32 pixels, medium ones below 96 x 96. Computed by pycocotools.",
        worst=_show_worst(result),
        classes=make_table(
            ("Class", "Boxes", "AP", "AP50"),
            [
                (result.categories[one.class_id], str(one.boxes), percent(one.ap), percent(one.ap50))
                for one in result.figures.classes
            ],
        ),
        unreadable=list_unreadable(result.unreadable),
        provenance=make_rows(provenance),
    )


def render_segmentation(result: SegmentationResult) -> str:
    """Return the overlaps of every class, and the pictures that fit worst."""
    rows = [("Engine", *_overlaps(result.tally))]
    provenance = [("Data", f"{result.data}, {result.found} pictures"), ("Engine", describe_evaluated(result.judged))]
    floats: dict[int, float] = {}
    if result.reference is not None:
        judged, tally = result.reference
        rows.append(("Float network", *_overlaps(tally)))
        provenance.append(("Float network", describe_evaluated(judged)))
        floats = {one.class_id: one.iou for one in tally.classes()}
    mean = percent(result.tally.mean_iou)
    worst = "".join(map(_figure, result.worst))
    return fill_page(
        "spatial.html",
        title=escape(f"{result.judged.name}: mean IoU {mean}"),
        verdict=escape(f"{result.judged.name} has a mean IoU of {mean} on {result.tally.pictures} pictures"),
        notes=make_list(result.notes),
        figures=make_table(("", "Mean IoU", "Pixels right"), rows),
        explanation="IoU is the intersection of true and found area over their union, in pixels of all pictures; the "
        "mean is over the classes that are true or found anywhere.",
        worst='<h2>Pictures that fit worst</h2><p class="note">The picture, what is true, and what was found.</p>'
        f'<div class="gallery triptych">{worst}</div>',
        classes=make_table(
            ("Class", "True pixels", "Found pixels", "IoU", "Float network's"),
            [
                (
                    result.name(one.class_id),
                    f"{one.true:,}",
                    f"{one.found:,}",
                    percent(one.iou),
                    percent(floats.get(one.class_id)),
                )
                for one in result.tally.classes()
            ],
        ),
        unreadable=list_unreadable(result.unreadable),
        provenance=make_rows(provenance),
    )


def _show_worst(result: DetectionResult) -> str:
    if not result.worst:
        return f"<h2>Pictures with mistakes</h2><p>None, from a score of {SURE:g} on.</p>"
    figures = "".join(_boxed_figure(picture, result.categories) for picture in result.worst)
    return (
        f'<h2>Pictures with the most mistakes</h2><p class="note">From a score of {SURE:g} and an overlap of 0.5 on. '
        "Thin green: right. Thick yellow: missed. Magenta: no such thing is there, or another box has it.</p>"
        f'<div class="gallery triptych">{figures}</div>'
    )


def _boxed_figure(picture: PoorBoxes, categories: Mapping[int, str]) -> str:
    name = escape(picture.picture)
    missed = Counter(categories[box.class_id] for box in picture.matches.missed)
    told = [f"missed {label}" + (f" ({count})" if count > 1 else "") for label, count in missed.items()]
    told += [f"no {categories[one.class_id]} ({one.score:.2f})" for one in picture.matches.extra]
    rest = f", and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return (
        f'<figure><img src="{embed_jpeg(picture.thumbnail)}" alt="{name}" loading="lazy">'
        f'<figcaption>{escape(", ".join(told[:_TOLD]))}{rest}<br><span class="soft">{name}</span></figcaption></figure>'
    )


def _precisions(figures: DetectionFigures) -> tuple[str, ...]:
    sizes = (figures.ap_small, figures.ap_medium, figures.ap_large)
    return tuple(percent(value) for value in (figures.ap, figures.ap50, figures.ap75, *sizes, figures.recall))


def _overlaps(tally: SegmentationTally) -> tuple[str, str]:
    return percent(tally.mean_iou), percent(tally.pixel_accuracy)


def _figure(picture: PoorPicture) -> str:
    name = escape(picture.picture)
    return (
        f'<figure><img src="{embed_jpeg(picture.thumbnail)}" alt="{name}" loading="lazy">'
        f'<figcaption>IoU {percent(picture.iou)}<br><span class="soft">{name}</span></figcaption></figure>'
    )
