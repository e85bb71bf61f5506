"""The pictures on which the engine and the float network disagree."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from mnv2_engines.building.verification import PictureVerdict
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.report.page import embed_jpeg
from mnv2_engines.tensors import UInt8Array

__all__ = ["draw_gallery"]

_MOST: Final = 48
"""Pictures in a report: about 10 kB each."""
_SIDE_PX: Final = 256


def draw_gallery(
    verdicts: Sequence[PictureVerdict],
    pictures: Sequence[UInt8Array],
    color: ColorOrder,
    labels: Sequence[str] | None,
) -> str:
    """Return the pictures with another class (a segmenter: with other pixels), worst first, as figures.

    `pictures` have their channels in the order `color`.
    """
    if not verdicts:
        return "<p>The outputs are not classes, so there is nothing to show.</p>"
    differing = sorted((verdict for verdict in verdicts if verdict.share < 1.0), key=lambda verdict: verdict.share)
    if not differing:
        return "<p>None: both networks put the same class first on every picture.</p>"
    figures = "".join(
        f'<figure><img src="{_embed(pictures[verdict.index], color)}" alt="picture {verdict.index}">'
        f"<figcaption>{_caption(verdict, labels)}</figcaption></figure>"
        for verdict in differing[:_MOST]
    )
    rest = len(differing) - _MOST
    return f'<div class="gallery">{figures}</div>' + (f"<p>and {rest} more</p>" if rest > 0 else "")


def _caption(verdict: PictureVerdict, labels: Sequence[str] | None) -> str:
    if verdict.float_class is None or verdict.engine_class is None:
        return f"#{verdict.index}: {100 * verdict.share:.2f} % of the pixels agree"
    wanted = _named(verdict.float_class, verdict.float_score, labels)
    made = _named(verdict.engine_class, verdict.engine_score, labels)
    tie = " <em>near tie, not judged</em>" if verdict.near_tie else ""
    return f"#{verdict.index}: float <b>{wanted}</b>, engine <b>{made}</b>{tie}"


def _named(class_id: int, score: float | None, labels: Sequence[str] | None) -> str:
    label = labels[class_id] if labels is not None and class_id < len(labels) else f"class {class_id}"
    return escape(label) if score is None else f"{escape(label)} {score:.2f}"


def _embed(picture: UInt8Array, color: ColorOrder) -> str:
    import cv2

    pixels = picture if color == "BGR" else picture[:, :, ::-1]
    step = max(1, -(-max(pixels.shape[:2]) // _SIDE_PX))
    done, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(pixels[::step, ::step]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return embed_jpeg(jpeg.tobytes() if done else b"")
