"""The report on a classifier as one HTML file, with pictures where people would look."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from mnv2_engines.evaluation.classification import Confusion, Proportion
from mnv2_engines.evaluation.result import ClassificationResult, Disagreement, FloatResult, Misclassification
from mnv2_engines.predictions import Prediction
from mnv2_engines.report.page import (
    describe_evaluated,
    embed_jpeg,
    embed_png,
    fill_page,
    list_unreadable,
    make_list,
    make_rows,
    make_table,
    percent,
)
from mnv2_engines.tensors import UInt8Array

__all__ = ["draw_confusion", "render_classification"]

_READABLE: Final = 40
"""Classes in a table: 1,600 cells."""
_GOOD: Final = (26, 127, 55)  # RGB, as the style's --good and --bad
_BAD: Final = (179, 38, 30)


def draw_confusion(confusion: Confusion, class_ids: Sequence[int], labels: Sequence[str]) -> str:
    """Return the matrix of these classes: true ones downwards, predicted ones to the right.

    Cells are as strong as their share of the row.
    """
    ids = list(class_ids)
    counts = confusion[ids][:, ids]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    if len(ids) > _READABLE:
        return _draw_picture(np.asarray(shares, np.float64))
    names = [escape(labels[class_id]) for class_id in ids]
    head = "".join(f'<th scope="col"><span>{name}</span></th>' for name in names)
    body = ""
    for row, name in enumerate(names):
        cells = [
            _cell(int(counts[row, column]), float(shares[row, column]), _GOOD if row == column else _BAD)
            for column in range(len(ids))
        ]
        body += f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'
    return f'<div class="wide"><table class="matrix"><tr><td></td>{head}</tr>{body}</table></div>'


def _cell(count: int, share: float, rgb: tuple[int, int, int]) -> str:
    if not count:
        return "<td></td>"
    return f'<td style="background:rgba{(*rgb, round(0.2 + 0.6 * share, 2))}">{count}</td>'


def _draw_picture(shares: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    """Return one pixel or more per cell: what is right on the diagonal, what is wrong beside it."""
    import cv2

    strength = np.sqrt(shares)[:, :, np.newaxis]  # a share of 1 % still shows
    colors: UInt8Array = np.full((*shares.shape, 3), 255, np.uint8)
    own = np.eye(len(shares), dtype=bool)
    for where, color in ((own, _GOOD), (~own, _BAD)):
        mixed = 255 + (np.array(color[::-1]) - 255) * strength
        colors[where] = np.rint(mixed[where]).astype(np.uint8)
    scale = max(1, 900 // len(shares))
    large = cv2.resize(colors, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    done, png = cv2.imencode(".png", large)
    return (
        f'<img class="matrix" src="{embed_png(png.tobytes() if done else b"")}" alt="confusion matrix">'
        f'<p class="note">{len(shares)} classes in the order of the network, from top left: true ones downwards, '
        "predicted ones to the right. --json has the numbers.</p>"
    )


_PAIRS: Final = 20
_TOP: Final = 5
_LEAST: Final = 0.01


def render_classification(result: ClassificationResult) -> str:
    """Return the report: figures, the surest mistakes, where engine and float network differ, and every class."""
    tally = result.tally
    right = percent(tally.top1.value)
    return fill_page(
        "classification.html",
        title=escape(f"{result.judged.name}: top-1 {right}"),
        verdict=escape(f"{result.judged.name} is right about {right} of {tally.pictures} pictures"),
        notes=make_list(result.notes),
        figures=make_rows(_figures(result)),
        worst=_gallery([_mistake(mistake, result.labels) for mistake in result.worst], "None: all are right."),
        differences=_differences(result),
        confusion=draw_confusion(tally.confusion, [figures.class_id for figures in tally.classes()], result.labels),
        pairs=make_table(
            ("True", "Taken for", "Pictures"),
            [
                (result.labels[pair.true_class], result.labels[pair.predicted_class], str(pair.pictures))
                for pair in tally.confused(_PAIRS)
            ],
        ),
        classes=make_table(
            ("Class", "Pictures", "Recall", "Precision"),
            [
                (
                    result.labels[figures.class_id],
                    str(figures.pictures),
                    percent(figures.recall),
                    percent(figures.precision),
                )
                for figures in tally.classes()
            ],
        ),
        thresholds=make_table(
            ("score_threshold", "Published", "Right of those", "Wrong", "Right ones lost"),
            [
                (
                    f"{row.threshold:g}",
                    percent(row.published / tally.pictures),
                    percent(row.right / row.published if row.published else None),
                    str(row.wrong),
                    str(tally.top1.right - row.right),
                )
                for row in tally.thresholds()
            ],
        ),
        unreadable=list_unreadable(result.unreadable),
        provenance=make_rows(_provenance(result)),
    )


def _figures(result: ClassificationResult) -> list[tuple[str, str]]:
    tally, reference = result.tally, result.reference
    rows = [("Top-1", _share(tally.top1))]
    if len(result.labels) > _TOP:
        rows.append(("Top-5", _share(tally.top5)))
    rows.append(("Mean recall", f"{percent(tally.mean_recall())}, each class weighing alike"))
    if reference is not None:
        rows += _against(reference)
    return rows


def _against(reference: FloatResult) -> list[tuple[str, str]]:
    paired = reference.paired
    return [
        ("Float network's top-1", _share(reference.tally.top1)),
        ("Same top-1 as the float network", _share(paired.agreement)),
        ("Engine alone is right", str(paired.engine_alone_right)),
        (
            "Float network alone is right",
            f"{paired.reference_alone_right}; p = {paired.chance:.2g}",
        ),
    ]


def _differences(result: ClassificationResult) -> str:
    if result.reference is None:
        return "<p>The float network was not evaluated.</p>"
    figures = [_difference(difference, result.labels) for difference in result.reference.differences]
    return _gallery(figures, "None: both put the same class first on every picture.")


def _mistake(mistake: Misclassification, labels: Sequence[str]) -> str:
    caption = f"<b>{escape(labels[mistake.truth])}</b>, taken for {_said(mistake.predictions)}"
    return _figure(mistake.picture, mistake.thumbnail, caption)


def _difference(difference: Disagreement, labels: Sequence[str]) -> str:
    caption = (
        f"<b>{escape(labels[difference.truth])}</b>: engine {_said(difference.engine[:1])}, "
        f"float {_said(difference.reference[:1])}"
    )
    return _figure(difference.picture, difference.thumbnail, caption)


def _figure(picture: str, thumbnail: bytes, caption: str) -> str:
    name = escape(picture)
    return (
        f'<figure><img src="{embed_jpeg(thumbnail)}" alt="{name}" loading="lazy">'
        f'<figcaption>{caption}<br><span class="soft">{name}</span></figcaption></figure>'
    )


def _said(predictions: Sequence[Prediction]) -> str:
    """Return the labels and scores; after the first, labels with hardly any score are left out."""
    shown = [*predictions[:1], *(found for found in predictions[1:] if found.score >= _LEAST)]
    return ", ".join(f"{escape(found.label)} {found.score:.2f}" for found in shown) or "nothing"


def _gallery(figures: Sequence[str], nothing: str) -> str:
    return f'<div class="gallery">{"".join(figures)}</div>' if figures else f"<p>{nothing}</p>"


def _provenance(result: ClassificationResult) -> list[tuple[str, str]]:
    rows = [("Data", f"{result.data}, {result.found} pictures"), ("Engine", describe_evaluated(result.judged))]
    if result.reference is not None:
        rows.append(("Float network", describe_evaluated(result.reference.judged)))
    return rows


def _share(share: Proportion) -> str:
    low, high = share.interval_95
    return f"{percent(share.value)}: {share.right} of {share.of}; 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
