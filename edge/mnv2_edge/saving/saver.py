"""The thread that draws and writes pictures, beside the frame path."""

import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from mnv2_edge.pipeline.viewers import InferredFrame
from mnv2_edge.saving.drawing import annotate
from mnv2_edge.saving.picture_folder import FolderFullError, PictureFolder

__all__ = ["Saver"]

_log = logging.getLogger(__name__)

_QUEUE: Final = 2
"""Frames that wait, beside the one in work: each is a whole picture in memory."""
_QUALITY: Final = 90
_CLOSE_S: Final = 0.5
_LONGEST_STEM: Final = 150
"""Bytes of a picture's name, of the 255 that a file system takes."""


class Saver:
    """Viewer that saves annotated pictures: of a camera one every `every_s`, of files all of them.

    When drawing or the disk is too slow a camera's frames are dropped, counted and told once. Once the folder is full
    nothing is written any more; the run goes on.
    """

    def __init__(self, folder: PictureFolder, every_s: float) -> None:
        self._folder = folder
        self._every_ns = int(every_s * 1e9)
        self._last_ns: dict[str, int] = {}
        self._queue: deque[InferredFrame] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closed = False
        self._full = False
        self._failed = False
        self._give_up_at = 0.0
        self.saved = 0
        """How many pictures were written."""
        self.dropped = 0
        """How many were due and could not be drawn or written, or not in time."""
        self._thread = threading.Thread(target=self._main, name="save", daemon=True)
        self._thread.start()

    def show(self, sighting: InferredFrame) -> None:
        """Queue a frame that is due."""
        frame = sighting.frame
        with self._changed:
            if self._closed or self._full or (sighting.live and not self._is_due(frame.source_id, frame.captured_ns)):
                return
            if len(self._queue) >= _QUEUE:
                self.dropped += 1
                tell = self.dropped == 1
            else:
                tell = False
                self._last_ns[frame.source_id] = frame.captured_ns
                self._queue.append(sighting)
                self._changed.notify_all()
        if tell:
            _log.warning("pictures are due faster than they can be saved: some are left out and counted")

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until all that was queued is written, as `Viewer.wait_idle`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, timeout_s)

    def close(self) -> None:
        """Wait half a second for queued pictures, and log how many there are. Safe to call twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._give_up_at = time.monotonic() + _CLOSE_S
            self._changed.notify_all()
        self._thread.join(_CLOSE_S + 0.1)
        with self._changed:
            self.dropped += len(self._queue)
            self._queue.clear()
        _log.info("%d pictures saved in %s, %d left out", self.saved, self._folder.path, self.dropped)

    def _is_due(self, camera: str, captured_ns: int) -> bool:
        last_ns = self._last_ns.get(camera)
        return last_ns is None or captured_ns - last_ns >= self._every_ns

    def _main(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue or (self._closed and time.monotonic() > self._give_up_at):
                    return
                sighting = self._queue.popleft()
                self._busy = True
            try:
                self._save(sighting)
            except Exception as exc:  # noqa: BLE001 - the top of a thread: a picture is not worth the run
                self._fail(f"{type(exc).__name__}: {exc}")

    def _save(self, sighting: InferredFrame) -> None:
        import cv2

        done, data = cv2.imencode(".jpg", annotate(sighting), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not done:
            self._fail("OpenCV encodes no JPEG of it")
            return
        try:
            self._folder.keep(picture_name(sighting), data.tobytes())
        except FolderFullError as exc:
            with self._changed:
                self._full = True
                self.dropped += 1 + len(self._queue)
                self._queue.clear()
            _log.warning("no further picture is saved: %s", exc)
        except OSError as exc:
            self._fail(exc.strerror or str(exc))
        else:
            self.saved += 1

    def _fail(self, why: str) -> None:
        self.dropped += 1
        if not self._failed:
            self._failed = True
            _log.warning(
                "a picture could not be saved in %s (%s); this is counted and not told again", self._folder.path, why
            )


def picture_name(sighting: InferredFrame) -> str:
    """Return the name of a file: the camera, and the picture's own name, else the time; the frame's number behind it.

    Two cameras may be folders that hold pictures of the same names.
    """
    result = sighting.result
    if result.picture:
        stem = os.fsencode(Path(result.picture).stem)[:_LONGEST_STEM].decode(errors="ignore")
        return f"{result.camera}-{stem}-{result.frame:06d}.jpg"
    moment = "".join(char for char in result.captured.time if char not in "-:")
    return f"{result.camera}-{moment}-{result.frame:08d}.jpg"
