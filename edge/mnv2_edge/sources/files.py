"""Open a picture, a folder of pictures or a video."""

from pathlib import Path

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.options import read_fps, read_limits, refuse_unknown
from mnv2_edge.sources.pacer import Pacer
from mnv2_edge.sources.pictures import PICTURE_SUFFIXES, PictureSource, is_picture, list_pictures
from mnv2_edge.sources.places import may_not_be_read, require_readable, what_is_at
from mnv2_edge.sources.video import VideoSource

__all__ = ["open_file"]

_SLIDES_FPS = 1.0
"""Pictures have no rate of their own."""


def open_file(options: SourceOptions) -> FrameSource:
    """Open what lies at the path: flat out, or at its own rate (``?fps=N`` sets another) with `--pace realtime`.

    ``?max_megapixels=48`` lets larger pictures in than are let in otherwise. Raises SourceError when it cannot be read
    and UsageError for an unknown option.
    """
    refuse_unknown("a file", options.query, {"fps", "max_megapixels"})
    limits = read_limits(options)
    fps = read_fps("a file", options.query)
    realtime = options.pace == "realtime"
    if fps is not None and not realtime:
        raise UsageError(f"a file is read flat out, so fps={fps:g} has no meaning: add --pace realtime")
    path = Path(options.uri).expanduser()
    place = what_is_at(path)
    if place == "nothing":
        raise SourceNotFoundError(
            f"there is no {path}: expected demo, a picture, a folder, a video, /dev/videoN or a camera number; "
            "`mnv2-edge cameras` lists the cameras"
        )
    if place == "other":
        raise SourceNotFoundError(
            f"{path} is neither a file nor a folder: expected a picture, a folder of pictures or a video"
        )
    if place == "file":
        require_readable(path)
    if place == "folder" or is_picture(path):
        pacer = Pacer(fps or _SLIDES_FPS) if realtime else None
        pictures = _pictures_in(path) if place == "folder" else [path]
        return PictureSource(pictures, options.camera_id, pacer, lenient=place == "folder", limits=limits)
    return VideoSource(path, options.camera_id, realtime=realtime, fps=fps, limits=limits)


def _pictures_in(folder: Path) -> list[Path]:
    try:
        pictures = list_pictures(folder)
    except PermissionError as exc:
        raise may_not_be_read(folder) from exc
    if not pictures:
        raise SourceError(
            f"the folder {folder} holds no picture: expected files named {' '.join(sorted(PICTURE_SUFFIXES))}"
        )
    return pictures
