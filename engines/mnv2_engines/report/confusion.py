"""A confusion matrix: as a table, or as a picture where there are too many classes for one."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from mnv2_engines.evaluation.classification import Confusion
from mnv2_engines.report.page import embed_png
from mnv2_engines.tensors import UInt8Array

__all__ = ["draw_confusion"]

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
