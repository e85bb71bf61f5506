"""The source of a picture, a folder of pictures or a video."""

import stat
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.sources.files.pictures import PICTURE_SUFFIXES, PictureSource, is_picture, list_pictures
from mnv2_edge.sources.files.readable import require_readable
from mnv2_edge.sources.files.video import VideoSource
from mnv2_edge.sources.uri import read_fps, read_limits, refuse_unknown

__all__ = ["Place", "may_not_be_read", "open_file", "what_is_at"]

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


Place: TypeAlias = Literal["file", "folder", "other", "nothing"]


def what_is_at(path: Path) -> Place:
    """Return what kind of thing it is. Raises SourcePermissionError where this user may not even see that."""
    try:
        mode = path.stat().st_mode
    except PermissionError as exc:
        raise may_not_be_read(path) from exc
    except (OSError, ValueError):  # ValueError: a null character in the name
        return "nothing"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def may_not_be_read(path: Path) -> SourcePermissionError:
    """Return the error for a file or folder that is closed to this user, or lies in one that is."""
    return SourcePermissionError(f"{path} may not be read by this user: `namei -l {path}` shows who may")
