"""Open a picture, a folder of pictures or a video."""

from pathlib import Path

from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.options import read_fps, refuse_unknown
from mnv2_edge.sources.pacer import Pacer
from mnv2_edge.sources.pictures import PICTURE_SUFFIXES, PictureSource, is_picture, list_pictures
from mnv2_edge.sources.video import VideoSource

__all__ = ["open_file"]

_SLIDES_FPS = 1.0
"""Pictures have no rate of their own."""


def open_file(options: SourceOptions) -> FrameSource:
    """Open what lies at the path: flat out, or at its own rate (``?fps=N`` sets another) with `--pace realtime`.

    Raises SourceError when it cannot be read and UsageError for an unknown option.
    """
    refuse_unknown("a file", options.query, {"fps"})
    fps = read_fps("a file", options.query)
    realtime = options.pace == "realtime"
    if fps is not None and not realtime:
        raise UsageError(f"a file is read flat out, so fps={fps:g} has no meaning: add --pace realtime")
    path = Path(options.uri).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
        pictures = list_pictures(path) if is_folder else [path]
    except PermissionError as exc:
        raise SourcePermissionError(_unreadable(path)) from exc
    if is_folder and not pictures:
        raise SourceError(
            f"the folder {path} holds no picture: expected files named {' '.join(sorted(PICTURE_SUFFIXES))}"
        )
    if not is_folder and not is_file:
        raise SourceNotFoundError(_missing(path))
    if is_folder or is_picture(path):
        pacer = Pacer(fps or _SLIDES_FPS) if realtime else None
        return PictureSource(pictures, options.camera_id, pacer, lenient=is_folder)
    return VideoSource(path, options.camera_id, realtime=realtime, fps=fps)


def _unreadable(path: Path) -> str:
    return f"{path} may not be read by this user: `ls -ld {path}` shows who may"


def _missing(path: Path) -> str:
    if path.exists():
        return f"{path} is neither a file nor a folder: expected a picture, a folder of pictures or a video"
    return (
        f"there is no {path}: expected demo, a picture, a folder, a video, /dev/videoN or a camera number; "
        "`mnv2-edge cameras` lists the cameras"
    )
