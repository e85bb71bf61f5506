"""The parts of what a user typed for a camera."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from mnv2_edge.errors import UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.decoding.limits import PictureLimits

__all__ = ["CameraUri", "parse_uri", "read_fps", "read_limits", "read_size", "refuse_unknown"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Two letters at least, although RFC 3986 allows one: `c:pic.jpg` is a file."""

_URL = re.compile(r"(https?|rtsps?)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CameraUri:
    """A camera as the user named it, taken apart but not looked up."""

    kind: str
    """Name of the entry point in `mnv2_edge.sources` that opens it."""
    target: str
    """What the user wrote, without the query unless that is a camera's own; may hold a password."""
    query: dict[str, str]


def parse_uri(text: str) -> CameraUri:
    """Take a camera URI apart.

    ``demo``, ``3`` (the fourth usable camera), ``/dev/video0``, ``file:PATH``, ``SCHEME:ANYTHING`` (the source that is
    registered under that name), else a path; options follow as ``?size=1280x720&fps=30``. The query in the address of a
    network camera (http, https, rtsp, rtsps) is left where it is: most of it is for the camera. A file whose very name
    looks like one of these is reached as ``./demo``. Raises UsageError for an empty text or malformed options.
    """
    if not text.strip():
        raise UsageError("the camera is empty: expected demo, a file, a folder, /dev/videoN or a number (--camera 0)")
    if not text.startswith("/dev/") and text != "demo" and not text.isdecimal() and _exists(Path(text)):
        return CameraUri("file", text, {})
    url = _URL.match(text)
    target, options = (text, "") if url else text.partition("?")[::2]
    query = _parse_query(options)
    if target == "demo":
        return CameraUri("demo", target, query)
    if target.isdecimal() or target.startswith("/dev/"):
        return CameraUri("v4l2", target, query)
    scheme = _SCHEME.match(target)
    if scheme is None:
        return CameraUri("file", target, query)
    if scheme[1].lower() == "file":
        return CameraUri("file", _file_path(target[len(scheme[0]) :]), query)
    return CameraUri(scheme[1].lower(), target, query)


def _parse_query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as exc:
        raise UsageError(f"camera options {text!r} are not options: expected e.g. ?size=1280x720&fps=30") from exc
    query = dict(pairs)
    if len(query) < len(pairs):
        repeated = next(name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1)
        raise UsageError(f"camera option {repeated!r} is given more than once: expected it once")
    return query


def _exists(path: Path) -> bool:
    """Return whether this user can see that something is there; the code that opens it says why not."""
    try:
        return path.exists()
    except PermissionError:  # Python below 3.14
        return False


def _file_path(rest: str) -> str:
    """Return the path of ``file:PATH`` or ``file:///PATH``."""
    return rest[2:] if rest.startswith("///") else rest


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
        raise UsageError(f"{source} option size={text!r} is not a size: expected WIDTHxHEIGHT, as in ?size=1280x720")
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
            f"{source} option fps={text!r} is not a rate: expected frames/s up to {_HIGHEST_FPS:g}, as in ?fps=30"
        )
    return fps


def read_limits(options: SourceOptions) -> PictureLimits:
    """Return how large pictures may be: ``max_megapixels=NUMBER``, else what `options` say. Raises UsageError."""
    text = options.query.get("max_megapixels")
    return options.limits if text is None else PictureLimits.read(text)
