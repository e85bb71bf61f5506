"""A data set whose pixels have classes: DIR/images/NAME.jpg and DIR/masks/NAME.png, or VOC's folders."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mnv2_edge.errors import LibraryMissingError, PictureError, SourceError, SourceNotFoundError, UsageError
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.files.pictures import list_pictures, read_picture_file
from mnv2_engines.tensors import UInt8Array

__all__ = ["MaskedPictures", "read_mask", "read_mask_folders"]

_FOLDERS: Final = (("images", "masks"), ("JPEGImages", "SegmentationClass"))
_FORMATS: Final = ("PNG", "BMP", "GIF", "TIFF")
_MASK_SUFFIXES: Final = (".png", ".bmp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class MaskedPictures:
    """Pictures and their masks."""

    root: Path
    pairs: tuple[tuple[Path, Path], ...]
    without: int
    """Pictures that have no mask, as most of VOC's."""


def read_mask_folders(root: Path) -> MaskedPictures:
    """List the pictures that have a mask. Raises UsageError when the folder is laid out otherwise."""
    if not root.is_dir():
        raise SourceNotFoundError(f"there is no folder {root}: expected {root}/images/*.jpg and {root}/masks/*.png")
    for images, masks in _FOLDERS:
        if (root / images).is_dir() and (root / masks).is_dir():
            return _pair(root, root / images, root / masks)
    raise UsageError(
        f"{root} has no masks: a segmenter needs {root}/images/NAME.jpg and {root}/masks/NAME.png, whose pixels "
        "are class numbers (or VOC's JPEGImages and SegmentationClass)"
    )


def read_mask(path: Path, limits: PictureLimits = DEFAULT_LIMITS) -> UInt8Array:
    """Return class numbers, height x width; of a picture with a palette its indices. 255 is unlabelled.

    Raises LibraryMissingError without Pillow (OpenCV turns palettes into colours), SourceError for a file that is
    not a mask (one with colours says which class is which nowhere), or is larger than `limits`.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as exc:
        raise LibraryMissingError(
            "Pillow is not importable, which reads masks: `pip install 'mnv2-edge[evaluate]'`"
        ) from exc
    raw = read_picture_file(path, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(raw), formats=_FORMATS)
        with opened as mask:
            if mask.width * mask.height > limits.pixels:  # as Pillow measures it, nothing is unpacked yet
                raise PictureError(f"{path} is a mask {limits.refusal(mask.width, mask.height)}")
            if mask.mode not in ("P", "L"):
                raise SourceError(f"{path} has colours ({mask.mode}): expected class numbers, grey or with a palette")
            return np.array(mask, np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:  # above limits that Pillow has itself
        raise PictureError(f"{path} is too large a mask: {exc}") from exc
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as exc:
        if isinstance(exc, SourceError):
            raise
        raise SourceError(f"{path} cannot be read: {exc}") from exc


def _pair(root: Path, images: Path, masks: Path) -> MaskedPictures:
    try:
        pictures = list_pictures(images)
        by_stem = {path.stem: path for path in masks.iterdir() if path.suffix.lower() in _MASK_SUFFIXES}
    except OSError as exc:
        raise SourceError(f"{exc.filename} cannot be read ({exc.strerror})") from exc
    pairs = tuple((path, by_stem[path.stem]) for path in pictures if path.stem in by_stem)
    if not pairs:
        raise SourceError(f"none of {len(pictures)} pictures in {images} has a mask of its name in {masks}")
    return MaskedPictures(root, pairs, len(pictures) - len(pairs))
