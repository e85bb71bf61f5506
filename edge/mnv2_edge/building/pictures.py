"""Pictures for calibration or verification, from a folder, a video or a camera."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, overload

from mnv2_edge.errors import SourceError
from mnv2_edge.redaction import redact
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.files.files import may_not_be_read, what_is_at
from mnv2_edge.sources.files.pictures import PICTURE_SUFFIXES, list_pictures, read_picture, walk_files
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.uri import parse_uri, read_limits, refuse_unknown
from mnv2_engines.building.request import Pictures
from mnv2_engines.errors import DiskError
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import ColorOrder, Preprocess
from mnv2_engines.tensors import UInt8Array

__all__ = ["open_pictures", "spread_evenly", "take_pictures"]

_log = logging.getLogger(__name__)

_Progress: TypeAlias = Callable[[int, int], None]
_Fit: TypeAlias = Callable[[UInt8Array, ColorOrder], UInt8Array]
_Item = TypeVar("_Item")

_SETTLE_S: Final = 1.0
"""A camera's exposure and white balance take about that long to settle."""
_INTERVAL_S: Final = 0.2
"""Neighbouring frames of a camera are nearly one picture."""


def _ignore(_done: int, _total: int) -> None:
    """Report nothing."""


def take_pictures(
    uri: str,
    *,
    limit: int,
    height: int,
    width: int,
    preprocess: Preprocess,
    secret: str = "",
    limits: PictureLimits = DEFAULT_LIMITS,
    progress: _Progress = _ignore,
) -> Pictures:
    """Return at most `limit` pictures as a network of height x width would see them, through the frame path itself.

    Of a folder or a video that holds more they are spread evenly over it; of a camera one is taken every 0.2 s, after
    one second. A folder that has pictures in subfolders only gives those. Files that are unreadable, or larger
    than `limits`, are skipped and counted in a warning. Raises SourceError when there is no picture.
    """
    source = redact(uri)
    items = []
    for picture in _pictures(uri, limit, secret, limits, _fitter(height, width, preprocess)):
        items.append(picture)
        progress(len(items), limit)
    if not items:
        raise SourceError(f"{source} gave no picture: expected a folder of pictures, a video or a camera")
    progress(len(items), len(items))
    return Pictures(source, items)


def open_pictures(
    folder: Path,
    *,
    limit: int,
    height: int,
    width: int,
    preprocess: Preprocess,
    limits: PictureLimits = DEFAULT_LIMITS,
    progress: _Progress = _ignore,
) -> Pictures:
    """Return the pictures of a folder, decoded anew whenever they are looked at: hundreds need no memory.

    Each is decoded once now, so that unreadable ones are skipped and counted as in `take_pictures`; of more than
    `limit` some are taken, spread evenly. Raises SourceError when there is none.
    """
    paths = []
    chosen = spread_evenly(_list(folder), limit)
    for path, _ in _readable(folder, chosen, limits):
        paths.append(path)
        progress(len(paths), len(chosen))
    if not paths:
        raise SourceError(f"{folder} holds no picture to verify with: expected a folder of pictures")
    return Pictures(str(folder), _FolderPictures(paths, _fitter(height, width, preprocess), limits))


def spread_evenly(items: Sequence[_Item], limit: int) -> list[_Item]:
    """Return at most `limit` of the items, at even distances over all of them, in their order."""
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]


class _FolderPictures(Sequence[UInt8Array]):
    """Pictures of a folder, each decoded when it is asked for."""

    def __init__(self, paths: Sequence[Path], fit: _Fit, limits: PictureLimits) -> None:
        self._paths = paths
        self._limits = limits
        self._fit = fit

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> UInt8Array: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[UInt8Array]: ...
    def __getitem__(self, index: int | slice) -> UInt8Array | Sequence[UInt8Array]:
        if isinstance(index, slice):
            return _FolderPictures(self._paths[index], self._fit, self._limits)
        return self._fit(read_picture(self._paths[index], self._limits), "BGR")


def _fitter(height: int, width: int, preprocess: Preprocess) -> _Fit:
    def fit(pixels: UInt8Array, color: ColorOrder) -> UInt8Array:
        return fit_picture(pixels, color, height, width, preprocess)[0]

    return fit


def _pictures(uri: str, limit: int, secret: str, limits: PictureLimits, fit: _Fit) -> Iterator[UInt8Array]:
    parsed = parse_uri(uri)
    folder = Path(parsed.target).expanduser()
    if parsed.kind == "file" and what_is_at(folder) == "folder":
        refuse_unknown("a file", parsed.query, {"fps", "max_megapixels"})
        limits = read_limits(SourceOptions(parsed.target, "calibration", query=parsed.query, limits=limits))
        for _, pixels in _readable(folder, spread_evenly(_list(folder), limit), limits):
            yield fit(pixels, "BGR")
        return
    with contextlib.closing(open_source(uri, camera_id="calibration", secret=secret, limits=limits)) as source:
        yield from _watch(source, limit, fit) if source.endless or source.live else _spread(source, limit, fit)


def _list(folder: Path) -> list[Path]:
    """Return the folder's pictures; where it has none, those of its subfolders: a training set has one a class."""
    try:
        return list_pictures(folder) or [path for path in walk_files(folder) if path.suffix.lower() in PICTURE_SUFFIXES]
    except PermissionError as exc:
        raise may_not_be_read(folder) from exc
    except OSError as exc:
        raise SourceError(f"{folder} cannot be read ({exc.strerror}): expected a folder of pictures") from exc


def _readable(folder: Path, paths: Sequence[Path], limits: PictureLimits) -> Iterator[tuple[Path, UInt8Array]]:
    """Yield each picture's path and pixels in BGR; count those that cannot be read."""
    skipped = 0
    for path in paths:
        try:
            pixels = read_picture(path, limits)
        except (SourceError, DiskError) as exc:
            skipped += 1
            if skipped == 1:
                _log.warning("skipped: %s (further ones are only counted)", exc)
            continue
        yield path, pixels
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
    """Thin out a film of unknown length while it is read: keep every n-th frame, double n when there are too many."""
    kept: list[UInt8Array] = []
    step = 1
    for index, frame in enumerate(source):
        if index % step:
            continue
        kept.append(fit(frame.pixels, frame.color))
        if len(kept) == 2 * limit:
            del kept[1::2]
            step *= 2
    yield from spread_evenly(kept, limit)
