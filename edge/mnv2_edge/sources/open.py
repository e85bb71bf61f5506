"""The source of a camera, by what the user typed for it."""

from collections.abc import Iterable
from importlib import metadata
from typing import Final, cast

from mnv2_edge.errors import UsageError
from mnv2_edge.plugins import load_plugin
from mnv2_edge.redaction import add_camera_secrets
from mnv2_edge.sources import FrameSource, Pace, SourceOptions
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.orientation import Flip, OrientedSource, Rotation
from mnv2_edge.sources.region import Region, RegionSource
from mnv2_edge.sources.uri import parse_uri

__all__ = ["open_source"]

_GROUP: Final = "mnv2_edge.sources"


def open_source(
    uri: str,
    *,
    camera_id: str,
    pace: Pace | None = None,
    rotate: Rotation = 0,
    flip: Flip = "none",
    region: Region | None = None,
    secret: str = "",
    stall_s: float = 5.0,
    limits: PictureLimits = DEFAULT_LIMITS,
) -> FrameSource:
    """Open the camera, file or plug-in that `uri` names; the caller closes it.

    What the address keeps secret is hidden from logs from now on. Frames come out upright, turned clockwise by
    `rotate`, then mirrored by `flip`, and cut to `region`. Raises UsageError for a URI or an option that makes no
    sense, SourceError when the camera or file cannot be opened, PluginError for a broken plug-in.
    """
    add_camera_secrets(uri, secret)
    parsed = parse_uri(uri)
    installed = {point.name for point in metadata.entry_points(group=_GROUP)}
    if parsed.kind not in installed:
        raise UsageError(_unknown(parsed.kind, installed))
    factory = load_plugin(_GROUP, parsed.kind)
    options = SourceOptions(parsed.target, camera_id, pace, parsed.query, secret, stall_s, limits)
    source = cast("FrameSource", factory(options))
    if rotate or flip != "none":
        source = OrientedSource(source, rotate, flip)
    return source if region is None else RegionSource(source, region)


def _unknown(kind: str, installed: Iterable[str]) -> str:
    others = sorted(set(installed) - {"demo", "file", "v4l2"})
    plugins = f", or {', '.join(others)} and a colon" if others else ""
    return (
        f"this installation has no source {kind!r}: expected demo, a file, a folder, /dev/videoN, a camera number"
        f"{plugins}; `mnv2-edge plugins` lists the sources, `mnv2-edge cameras` the cameras"
    )
