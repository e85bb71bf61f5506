"""Read one camera on a thread of its own, and open it again when it ends or breaks."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from mnv2_edge.errors import SourceError
from mnv2_edge.exchange import Lane
from mnv2_edge.frames import Frame
from mnv2_edge.records import StateName
from mnv2_edge.sources import FrameSource

__all__ = ["Camera", "Capture", "StateListener"]

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_JITTER = 0.25  # of the wait, so that many devices do not come back to one server at once


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's name in records, its opened source, and how to open it again after a fault."""

    id: str
    source: FrameSource
    reopen: Callable[[], FrameSource] | None = None
    """None: the end of the source is the end of the camera, also when it is a fault."""


StateListener = Callable[["Capture", StateName, str], None]
"""Called on the capture thread with the new state and its reason; must return at once."""


class Capture:
    """Own one camera's source and thread.

    Any error that is not the source's ends the thread and is kept in `error`; the pipeline hands it on.
    """

    def __init__(self, camera: Camera, lane: Lane, listener: StateListener, on_end: Callable[[], None]) -> None:
        self.camera_id = camera.id
        self.error: BaseException | None = None
        self.reopened = 0
        self._camera = camera
        self._source = camera.source
        self._lane = lane
        self._listener = listener
        self._on_end = on_end
        self._stop = threading.Event()
        self._state: StateName = "starting"
        self._reason = ""
        self._next_index = 0
        self._skipped_before = 0
        self._wait_s = _FIRST_WAIT_S
        self._thread = threading.Thread(target=self._main, name=f"capture-{camera.id}", daemon=True)

    @property
    def state(self) -> StateName:
        """Return the state last reported."""
        return self._state

    @property
    def reason(self) -> str:
        """Return why it is in that state; empty when all is well."""
        return self._reason

    @property
    def skipped(self) -> int:
        """Count the pictures that could not be decoded, re-opened sources included."""
        return self._skipped_before + self._source.skipped

    @property
    def dropped(self) -> int:
        """Count the frames that a newer one replaced before they were taken."""
        return self._lane.dropped

    def start(self) -> None:
        """Begin to read."""
        self._report("starting", "")
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and the source to give up waiting; returns at once."""
        self._stop.set()
        self._source.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; return False when it still hangs in the source."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _main(self) -> None:
        try:
            self._read_until_stopped()
        except BaseException as exc:  # noqa: BLE001 - the top of a thread: handed on to run()
            self.error = exc
        finally:
            self._source.close()
            self._lane.finish()
            self._on_end()

    def _read_until_stopped(self) -> None:
        reason = self._read_to_the_end()
        while not self._stop.is_set() and self._source.endless and self._camera.reopen is not None:
            self._report("reconnecting", reason)
            if not self._open_again(self._camera.reopen):
                break
            reason = self._read_to_the_end()
        if self._stop.is_set():
            self._report("ended", "stopped")
        else:
            self._report("failed" if reason else "ended", reason)

    def _read_to_the_end(self) -> str:
        """Offer every frame; return why there are no more, empty when a file has simply ended."""
        offset = self._next_index
        try:
            for frame in self._source:
                if self._stop.is_set():
                    return "stopped"
                if self._state != "streaming":
                    self._streaming()
                self._next_index = offset + frame.index + 1
                if not self._lane.offer(frame if offset == 0 else _moved(frame, offset)):
                    self._stop.set()
                    return "stopped"
        except SourceError as exc:
            return str(exc)
        return "the stream ended" if self._source.endless else ""

    def _open_again(self, reopen: Callable[[], FrameSource]) -> bool:
        """Try until a source opens, waiting ever longer until a frame came; return False when asked to stop."""
        self._source.close()
        while not self._stop.wait(self._wait_s * random.uniform(1 - _JITTER, 1 + _JITTER)):  # noqa: S311 - no secret
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            try:
                source = reopen()
            except SourceError as exc:
                _log.debug("%s: still not there: %s", self.camera_id, exc)
            else:
                self._skipped_before += self._source.skipped
                self._source = source
                return True
        return False

    def _streaming(self) -> None:
        if self._state == "reconnecting":
            self.reopened += 1
        self._wait_s = _FIRST_WAIT_S
        self._report("streaming", "")

    def _report(self, state: StateName, reason: str) -> None:
        if state == self._state and state != "starting":
            return
        self._state = state
        self._reason = reason
        self._listener(self, state, reason)
        level = logging.WARNING if state in ("reconnecting", "failed") else logging.INFO
        _log.log(level, "%s: %s%s", self.camera_id, state, f" ({reason})" if reason else "")


def _moved(frame: Frame, offset: int) -> Frame:
    return replace(frame, index=frame.index + offset)
