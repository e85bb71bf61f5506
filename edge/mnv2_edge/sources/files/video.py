"""The frames of a video file."""

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from mnv2_edge.errors import PictureError, SourceError
from mnv2_edge.frames import Frame
from mnv2_edge.sources.close_guard import SharedCapture, VideoReader
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.sources.files.readable import require_readable

__all__ = ["VideoSource"]

_log = logging.getLogger(__name__)
_USUAL_FPS = 25.0
_HIGHEST_FPS = 1000.0  # beyond it stands the container's time base, not a rate
_COUNT_SLACK = 0.02  # many containers only estimate their number of frames


class VideoSource:
    """Video decoded by OpenCV, at full speed or at its rate; frames are BGR and turned as the file asks.

    A file that is cut short gives what it holds, then ends with one warning.
    """

    def __init__(
        self,
        path: Path,
        source_id: str,
        *,
        realtime: bool = False,
        fps: float | None = None,
        limits: PictureLimits = DEFAULT_LIMITS,
    ) -> None:
        """Open the file; `fps` overrides its own rate.

        Raises SourceError when it is not a video, holds no frame, or says that its frames are larger than `limits`.
        """
        self._path = path
        self._source_id = source_id
        self._capture = SharedCapture(_open(path, limits), str(path))
        self._pacer: Pacer | None = None
        self._first = self._capture.read()
        if self._first is None:
            self._capture.close()
            raise SourceError(f"{path} holds no picture: a video with at least one whole frame was expected")
        self._promised = self._promise()
        if realtime:
            self._pacer = Pacer(fps or self._own_fps())

    @property
    def live(self) -> bool:
        """Return True when it is paced like a camera."""
        return self._pacer is not None

    @property
    def endless(self) -> bool:
        """Return False: after the last frame it is over."""
        return False

    @property
    def skipped(self) -> int:
        """Return 0: the decoder does not say what it skips."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in BGR until the last one or `close`."""
        index = 0
        pixels, self._first = self._first, None
        while pixels is not None:
            captured_ns = self._pacer.wait() if self._pacer else time.monotonic_ns()
            if captured_ns is None or self._capture.closed:
                return
            yield Frame(pixels, "BGR", index, captured_ns, self._source_id)
            index += 1
            pixels = self._capture.read()
        if not self._capture.closed and index < self._promised * (1 - _COUNT_SLACK):
            _log.warning(
                "%s: %s ended after %s of %s frames: it was cut short or is damaged",
                self._source_id,
                self._path,
                index,
                self._promised,
            )

    def close(self) -> None:
        """Close the file, at once or when the read under way returns."""
        if self._pacer:
            self._pacer.stop()
        self._capture.close()

    def _own_fps(self) -> float:
        import cv2

        fps = self._capture.reader.get(cv2.CAP_PROP_FPS)
        if math.isfinite(fps) and 0.0 < fps <= _HIGHEST_FPS:
            return fps
        _log.warning(
            "%s: %s states no rate: played at %g frames/s, ?fps=N sets another", self._source_id, self._path, _USUAL_FPS
        )
        return _USUAL_FPS

    def _promise(self) -> int:
        """Return how many frames the header speaks of; 0 when it says nothing."""
        import cv2

        count = self._capture.reader.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if math.isfinite(count) and count > 0 else 0


def _open(path: Path, limits: PictureLimits) -> VideoReader:
    import cv2

    require_readable(path)
    try:
        capture = cv2.VideoCapture(str(path))
    except cv2.error as exc:
        raise SourceError(f"{path} cannot be opened: {exc.err}") from exc
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"{path} is neither a picture nor a video that OpenCV decodes, or was cut before its index was written: "
            f"`file {path}` tells what it is"
        )
    width, height = (int(capture.get(prop)) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > limits.pixels:
        capture.release()
        raise PictureError(f"{path} is a video {limits.refusal(width, height)}")
    return cast("VideoReader", capture)
