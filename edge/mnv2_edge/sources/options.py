"""Read the options that a source finds in its URI's query."""

import math
import re
from collections.abc import Collection, Mapping

from mnv2_edge.errors import UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.picture_limits import PictureLimits

__all__ = ["read_fps", "read_limits", "read_size", "refuse_unknown"]

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_HIGHEST_FPS = 1000.0


def refuse_unknown(source: str, query: Mapping[str, str], known: Collection[str]) -> None:
    """Raise UsageError when the query has an option that the source does not know."""
    for name in query:
        if name not in known:
            raise UsageError(f"{source} has no option {name!r}: expected {', '.join(sorted(known)) or 'no option'}")


def read_size(source: str, query: Mapping[str, str]) -> tuple[int, int] | None:
    """Return (width, height) of ``size=WIDTHxHEIGHT``, None when it is not given.

    Raises UsageError for anything else.
    """
    text = query.get("size")
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{source} option size={text!r} is no size: expected WIDTHxHEIGHT, as in ?size=1280x720")
    return int(match[1]), int(match[2])


def read_fps(source: str, query: Mapping[str, str]) -> float | None:
    """Return the frames per second of ``fps=NUMBER``, None when it is not given.

    Raises UsageError for anything else.
    """
    text = query.get("fps")
    if text is None:
        return None
    try:
        fps = float(text)
    except ValueError:
        fps = math.nan
    if not 0.0 < fps <= _HIGHEST_FPS:
        raise UsageError(
            f"{source} option fps={text!r} is no rate: expected frames per second up to {_HIGHEST_FPS:g}, as in ?fps=30"
        )
    return fps


def read_limits(options: SourceOptions) -> PictureLimits:
    """Return how large pictures may be: ``max_megapixels=NUMBER``, else what `options` say. Raises UsageError."""
    text = options.query.get("max_megapixels")
    return options.limits if text is None else PictureLimits.read(text)
