"""Take the pictures that an engine is calibrated on, or verified with, from a folder, a video or a camera."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from mnv2_edge.errors import SourceError
from mnv2_edge.redaction import redact
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.opening import open_source
from mnv2_edge.sources.pictures import list_pictures, read_picture
from mnv2_edge.sources.uri import parse_uri
from mnv2_engines.build_request import Pictures
from mnv2_engines.frame_path import fit_picture
from mnv2_engines.preprocess import ColorOrder, Preprocess
from mnv2_engines.tensors import UInt8Array

__all__ = ["take_pictures"]

_log = logging.getLogger(__name__)

_Progress: TypeAlias = Callable[[int, int], None]
_Fit: TypeAlias = Callable[[UInt8Array, ColorOrder], UInt8Array]
_Item = TypeVar("_Item")

_SETTLE_S: Final = 1.0
"""A camera's exposure and white balance take about that long to settle."""
_INTERVAL_S: Final = 0.2
"""Neighbouring frames of a camera are nearly one picture."""


def take_pictures(
    uri: str,
    *,
    limit: int,
    height: int,
    width: int,
    preprocess: Preprocess,
    secret: str = "",
    progress: _Progress = lambda _done, _total: None,
) -> Pictures:
    """Return at most `limit` pictures as a network of height x width would see them, through the frame path itself.

    Of a folder or a video that holds more they are spread evenly over it; of a camera one is taken every 0.2 s, after
    one second. Unreadable files are skipped and counted in a warning. Raises SourceError when there is no picture.
    """

    def fit(pixels: UInt8Array, color: ColorOrder) -> UInt8Array:
        return fit_picture(pixels, color, height, width, preprocess)[0]

    source = redact(uri)
    items = []
    for picture in _pictures(uri, limit, secret, fit):
        items.append(picture)
        progress(len(items), limit)
    if not items:
        raise SourceError(f"{source} gave no picture: expected a folder of pictures, a video or a camera")
    progress(len(items), len(items))
    return Pictures(source, items)


def _pictures(uri: str, limit: int, secret: str, fit: _Fit) -> Iterator[UInt8Array]:
    parsed = parse_uri(uri)
    folder = Path(parsed.target).expanduser()
    if parsed.kind == "file" and folder.is_dir():
        yield from _folder(folder, limit, fit)
        return
    with contextlib.closing(open_source(uri, camera_id="calibration", secret=secret)) as source:
        yield from _watch(source, limit, fit) if source.endless or source.live else _spread(source, limit, fit)


def _folder(folder: Path, limit: int, fit: _Fit) -> Iterator[UInt8Array]:
    try:
        paths = list_pictures(folder)
    except OSError as exc:
        raise SourceError(f"{folder} cannot be read: {exc.strerror}") from exc
    skipped = 0
    for path in _evenly(paths, limit):
        try:
            pixels = read_picture(path)
        except SourceError as exc:
            skipped += 1
            if skipped == 1:
                _log.warning("skipped: %s (further ones are only counted)", exc)
            continue
        yield fit(pixels, "BGR")
    if skipped:
        _log.warning("%s: %d pictures could not be read", folder, skipped)


def _watch(source: FrameSource, limit: int, fit: _Fit) -> Iterator[UInt8Array]:
    """Take a frame now and then until there are enough."""
    due = time.monotonic() + _SETTLE_S
    taken = 0
    for frame in source:
        now = time.monotonic()
        if now < due:
            continue
        due = now + _INTERVAL_S
        yield fit(frame.pixels, frame.color)
        taken += 1
        if taken == limit:
            return


def _spread(source: FrameSource, limit: int, fit: _Fit) -> Iterator[UInt8Array]:
    """Thin a film of unknown length out as it goes by: every n-th frame is kept, n doubles when there are too many."""
    kept: list[UInt8Array] = []
    step = 1
    for index, frame in enumerate(source):
        if index % step:
            continue
        kept.append(fit(frame.pixels, frame.color))
        if len(kept) == 2 * limit:
            del kept[1::2]
            step *= 2
    yield from _evenly(kept, limit)


def _evenly(items: Sequence[_Item], limit: int) -> list[_Item]:
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]
