"""Anchors of a single-shot detector: the boxes that its outputs are corrections of."""

import io
import math
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.errors import ContractError
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, UnfitFileError, read_regular
from mnv2_engines.tensors import FloatArray

__all__ = ["anchor_boxes", "read_anchors", "ssd_boxes", "ssd_maps"]

_MAPS = 6
_FIRST_STRIDE = 16
_LOWEST_SCALE = 0.1


def anchor_boxes(facts: DetectionFacts, size_hw: tuple[int, int]) -> FloatArray:
    """Return the anchors that `facts` state for a network whose picture is `size_hw`: [N, 4], ymin, xmin, ymax, xmax.

    In fractions of the picture; anchors at its edges reach beyond it. Raises ContractError when none are stated.
    """
    if facts.anchors is not None:
        return np.frombuffer(facts.anchors, "<f4").reshape(-1, 4).astype(np.float32)
    if facts.ssd is not None:
        return ssd_boxes(facts.ssd, size_hw)
    raise ContractError(
        "the detector's anchors are not stated: expected `detection: {anchors: ssd}` in MODEL.yaml beside the model, "
        "the parameters of SSD's, or a file of them"
    )


def ssd_maps(size_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return rows and columns of the six maps of an SSD on a MobileNet: a 16th of the picture, then halved, rounded up.

    300x300 has 19, 10, 5, 3, 2, 1 (1,917 anchors), 320x320 has 20, 10, 5, 3, 2, 1 (2,034).
    """
    rows, columns = (-(-side // _FIRST_STRIDE) for side in size_hw)
    maps = []
    for _ in range(_MAPS):
        maps.append((rows, columns))
        rows, columns = -(-rows // 2), -(-columns // 2)
    return tuple(maps)


def ssd_boxes(ssd: SsdAnchors, size_hw: tuple[int, int]) -> FloatArray:
    """Return the anchors as TensorFlow generates them: map by map, row by row, then scale and ratio of a place."""
    maps = ssd.maps or ssd_maps(size_hw)
    shorter = min(size_hw)
    per_height, per_width = (shorter / side for side in size_hw)  # scales are of the shorter side
    boxes = []
    for (rows, columns), shapes in zip(maps, _shapes(ssd, len(maps)), strict=True):
        scales, ratios = (np.array(column) for column in zip(*shapes, strict=True))
        heights, widths = scales / np.sqrt(ratios) * per_height, scales * np.sqrt(ratios) * per_width
        y, x = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
        y, x = y[..., np.newaxis], x[..., np.newaxis]
        corners = np.broadcast_arrays(y - heights / 2, x - widths / 2, y + heights / 2, x + widths / 2)
        boxes.append(np.stack(corners, axis=-1).reshape(-1, 4))
    return np.concatenate(boxes).astype(np.float32)


def read_anchors(path: Path) -> bytes:
    """Read anchors from a NumPy file: [N, 4] of ymin, xmin, ymax, xmax in fractions of the network's picture.

    An .npz archive holds one array, or one of them is called `anchors`. Returns what `DetectionFacts.anchors` holds.
    Raises ContractError that names the file.
    """
    expected = "expected [N, 4] numbers, ymin, xmin, ymax, xmax in fractions, as .npy or .npz"
    try:
        loaded = np.load(io.BytesIO(read_regular(path, SETTINGS_LIMIT)), allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            names = loaded.files
            loaded = loaded["anchors" if "anchors" in names else names[0]] if names else np.empty(0)
    except FileNotFoundError as exc:
        raise ContractError(f"{path} is not there: {expected}") from exc
    except UnfitFileError as exc:
        raise ContractError(f"{path} cannot be read ({exc.strerror}): {expected}") from exc
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as exc:
        raise ContractError(f"{path} is not a file of anchors: {expected}") from exc
    if loaded.dtype.kind != "f" or loaded.ndim != 2 or loaded.shape[1] != 4 or not np.isfinite(loaded).all():
        raise ContractError(f"{path} holds {loaded.dtype} of shape {list(loaded.shape)}: {expected}")
    if not (loaded[:, 2:] > loaded[:, :2]).all():
        raise ContractError(f"{path} holds boxes that end before they begin: {expected}")
    return bytes(loaded.astype("<f4").tobytes())


def _shapes(ssd: SsdAnchors, maps: int) -> Iterator[list[tuple[float, float]]]:
    """Yield scale and ratio of the anchors at one place, map by map."""
    step = (ssd.max_scale - ssd.min_scale) / max(1, maps - 1)
    scales = [ssd.min_scale + step * level for level in range(maps)]
    for level, (scale, larger) in enumerate(pairwise([*scales, 1.0])):
        if level == 0 and ssd.reduce_lowest:
            yield [(_LOWEST_SCALE, 1.0), (scale, 2.0), (scale, 0.5)]
            continue
        shapes = [(scale, ratio) for ratio in ssd.aspect_ratios]
        if ssd.interpolated_aspect_ratio > 0:
            shapes.append((math.sqrt(scale * larger), ssd.interpolated_aspect_ratio))
        yield shapes
