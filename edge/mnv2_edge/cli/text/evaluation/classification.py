"""Text of a classifier's result: how often it is right, and which classes it confuses."""

from collections.abc import Sequence
from dataclasses import asdict

from mnv2_edge.cli.text.evaluation.figures import align, describe_engine, engine_json, percent, pictures_json
from mnv2_edge.cli.ui.tables import format_table
from mnv2_engines.evaluation.classification import ClassFigures, ClassificationTally, Proportion
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.result import ClassificationResult, EvaluatedEngine, FloatResult
from mnv2_engines.predictions import Prediction

__all__ = ["summarise", "to_json"]

_CLASSES = 12
_PAIRS = 10
_WORST = 8
_NAMED = 5


def summarise(result: ClassificationResult) -> list[str]:
    """Return the figures, and the worst of everything: the weakest classes, the commonest confusions, the pictures."""
    return [_headline(result), _classes(result), _confused(result), _thresholds(result.tally), _worst(result)]


def to_json(result: ClassificationResult) -> dict[str, object]:
    """Return everything but the thumbnails as plain values."""
    tally, reference = result.tally, result.reference
    return {
        "task": "classify",
        "data": result.data,
        "pictures": pictures_json(result.found, tally.pictures, result.unreadable),
        "labels": list(result.labels),
        "engine": _network_json(result.judged, tally),
        "classes": [_class_json(figures, result.labels) for figures in tally.classes()],
        "confusion": _confusion_json(tally),
        "confused": [
            {
                "truth": result.labels[pair.true_class],
                "predicted": result.labels[pair.predicted_class],
                "pictures": pair.pictures,
            }
            for pair in tally.confused(_PAIRS)
        ],
        "thresholds": [
            {"threshold": row.threshold, "published": row.published, "right": row.right, "wrong": row.wrong}
            for row in tally.thresholds()
        ],
        "worst": [
            {
                "picture": mistake.picture,
                "truth": result.labels[mistake.truth],
                "predictions": [asdict(prediction) for prediction in mistake.predictions],
            }
            for mistake in result.worst
        ],
        "float": None if reference is None else _reference_json(reference, result.labels),
        "notes": list(result.notes),
    }


def _headline(result: ClassificationResult) -> str:
    tally, judged, reference = result.tally, result.judged, result.reference
    shown = sum(figures.pictures > 0 for figures in tally.classes())
    taken = "" if result.found == tally.pictures + len(result.unreadable) else f" of {result.found}"
    rows = [
        ("engine", describe_engine(judged)),
        ("data", f"{result.data}: {tally.pictures}{taken} pictures of {shown} classes"),
        ("top-1", _share(tally.top1)),
    ]
    if len(result.labels) > _NAMED:
        rows.append(("top-5", _share(tally.top5)))
    rows.append(("mean recall", f"{100 * tally.mean_recall():.1f} %, each class weighing alike"))
    if reference is not None:
        paired = reference.paired
        rows += [
            ("float top-1", f"{_share(reference.tally.top1)}, {reference.judged.name}"),
            ("agreement", f"{_share(paired.agreement)}{_alone(paired)}"),
        ]
    return align(rows)


def _classes(result: ClassificationResult) -> str:
    figures = [figures for figures in result.tally.classes() if figures.pictures]
    figures.sort(key=lambda one: (one.recall or 0.0, -one.pictures))
    rows = [
        (result.labels[one.class_id], str(one.pictures), percent(one.recall), percent(one.precision))
        for one in figures[:_CLASSES]
    ]
    rest = len(figures) - len(rows)
    table = format_table(("class, weakest first", "pictures", "recall", "precision"), rows)
    return table + (f"\nand {rest} more: --json and --report have all" if rest > 0 else "")


def _confused(result: ClassificationResult) -> str:
    pairs = result.tally.confused(_PAIRS)
    if not pairs:
        return ""
    rows = [(result.labels[pair.true_class], result.labels[pair.predicted_class], str(pair.pictures)) for pair in pairs]
    return format_table(("true", "taken for", "pictures"), rows)


def _thresholds(tally: ClassificationTally) -> str:
    rows = [
        (
            f"{row.threshold:g}",
            percent(row.published / tally.pictures),
            percent(row.right / row.published if row.published else None),
            str(row.wrong),
            str(tally.top1.right - row.right),
        )
        for row in tally.thresholds()
    ]
    return format_table(("score_threshold", "published", "right of those", "wrong", "right ones lost"), rows)


def _worst(result: ClassificationResult) -> str:
    if not result.worst:
        return ""
    rows = [
        (mistake.picture, result.labels[mistake.truth], _first(mistake.predictions))
        for mistake in result.worst[:_WORST]
    ]
    return format_table(("wrong, surest first", "true", "taken for"), rows)


def _first(predictions: Sequence[Prediction]) -> str:
    return f"{predictions[0].label} {predictions[0].score:.2f}" if predictions else "-"


def _share(share: Proportion) -> str:
    low, high = share.interval_95
    return f"{100 * share.value:.1f} % ({share.right} of {share.of}; 95 % interval {100 * low:.1f} to {100 * high:.1f})"


def _alone(paired: PairedTally) -> str:
    """Return how often only one of them is right, and how likely that difference is chance."""
    if paired.engine_alone_right + paired.reference_alone_right == 0:
        return ""
    return (
        f"; right alone: engine {paired.engine_alone_right}, float {paired.reference_alone_right} "
        f"(p = {paired.chance:.2g})"
    )


def _network_json(judged: EvaluatedEngine, tally: ClassificationTally) -> dict[str, object]:
    return {
        **engine_json(judged),
        "top1": _share_json(tally.top1),
        "top5": _share_json(tally.top5),
        "mean_recall": tally.mean_recall(),
    }


def _share_json(share: Proportion) -> dict[str, object]:
    return {"right": share.right, "of": share.of, "value": share.value, "interval_95": list(share.interval_95)}


def _class_json(figures: ClassFigures, labels: Sequence[str]) -> dict[str, object]:
    counts = {name: getattr(figures, name) for name in ("pictures", "predicted", "right", "recall", "precision")}
    return {"class_id": figures.class_id, "label": labels[figures.class_id], **counts}


def _confusion_json(tally: ClassificationTally) -> dict[str, object]:
    """Return the matrix without the rows and columns that hold nothing."""
    ids = [figures.class_id for figures in tally.classes()]
    return {"class_ids": ids, "rows": tally.confusion[ids][:, ids].tolist()}


def _reference_json(reference: FloatResult, labels: Sequence[str]) -> dict[str, object]:
    paired = reference.paired
    return {
        **_network_json(reference.judged, reference.tally),
        "agreement": _share_json(paired.agreement),
        "engine_alone_right": paired.engine_alone_right,
        "float_alone_right": paired.reference_alone_right,
        "mcnemar_p": paired.chance,
        "differences": [
            {
                "picture": difference.picture,
                "truth": labels[difference.truth],
                "engine": [asdict(prediction) for prediction in difference.engine],
                "float": [asdict(prediction) for prediction in difference.reference],
            }
            for difference in reference.differences
        ],
    }
