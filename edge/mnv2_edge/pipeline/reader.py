"""The thread that reads one camera: it opens it, passes frames on, and reopens it when it ends or breaks."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.frame_gate import GateSettings
from mnv2_edge.pipeline.timing import Backoff
from mnv2_edge.sources import FrameSource

__all__ = ["STOPPED", "OpenedCamera", "Reader", "ReaderOwner", "Supervision"]

_log = logging.getLogger(__name__)
STOPPED: Final = "stopped"

Phase: TypeAlias = Literal["opening", "reading", "busy"]
"""Only in the first two may a thread hang in foreign code; `busy` is work of our own, or a bounded wait."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """How long a camera may be silent before it is reopened or given up; all in seconds."""

    stall_s: float = 5.0
    """Without a new frame for this long it counts as stalled, is closed and opened again."""
    hang_s: float = 5.0
    """A read that does not return for this long after the close hangs; its thread is left behind."""
    open_s: float = 30.0
    """An attempt to open that does not return for this long hangs as well."""
    frozen_s: float = 0.0
    """The same picture for this long is a fault; 0: it never is."""
    black_s: float = 0.0
    """Black pictures are not looked at, and reported after this long; 0: they are pictures like any other."""


@dataclass(frozen=True, slots=True)
class OpenedCamera:
    """A camera's name in records, its opened source, and how to open it again after a fault."""

    id: str
    source: FrameSource | None
    """None: it is not opened yet, and may not even be there; `reopen` opens it as soon as it is."""
    reopen: Callable[[], FrameSource] | None = None
    """None: the end of the source is the end of the camera, also when it is a fault."""
    supervision: Supervision = field(default_factory=Supervision)
    gate: GateSettings = field(default_factory=GateSettings)
    max_age_s: float = 0.0
    """An older frame is not looked at, nor its result published; 0: however old it is. For live cameras only."""

    @property
    def live(self) -> bool:
        """Return True when frames come at their own rate; so they do from what is waited for."""
        return self.source is None or self.source.live


class ReaderOwner(Protocol):
    """Owner of a reader. All methods except `take` are called only by a reader that is not abandoned."""

    def take(self, frame: Frame, offset: int) -> str:
        """Use a frame whose index counts from `offset`; return why to stop reading, empty to go on."""
        ...

    def next_offset(self) -> int:
        """Return what the indices of the next source count from."""
        ...

    def lost(self, reason: str, error: SourceError | None) -> None:
        """Note that the source ended or could not be opened."""
        ...

    def counted(self, skipped: int) -> None:
        """Note how many pictures a source that is done with could not decode."""
        ...

    def ended(self, reader: "Reader", reason: str, error: BaseException | None) -> None:
        """Note that no frame will come any more; `error` is one that is not the source's."""
        ...


class Reader:
    """Owner of one thread and of the source that it reads.

    A thread that hangs in foreign code cannot be ended: `leave` makes sure that nothing it does later has an
    effect, and that a source which it still opens is closed at once.
    """

    def __init__(
        self, camera: OpenedCamera, source: FrameSource | None, owner: ReaderOwner, backoff: Backoff, timer: Timer
    ) -> None:
        self.source = source
        self.phase: Phase = "busy"
        self.since_ns = timer.now_ns()
        self.closed_ns: int | None = None
        """When `give_up` was called on the present source."""
        self._camera = camera
        self._owner = owner
        self._backoff = backoff
        self._timer = timer
        self._verdict = ""
        self._stop = threading.Event()
        self._left = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._main, name=f"capture-{camera.id}", daemon=True)

    @property
    def alive(self) -> bool:
        """Return True while its thread has not ended."""
        return self._thread.is_alive()

    @property
    def supervised(self) -> bool:
        """Return True when silence is a fault: not for a file."""
        return self.source is None or self.source.endless

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and the source to give up waiting; returns at once."""
        with self._lock:
            self._stop.set()
            source = self.source
        if source is not None:
            source.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; return False when it still hangs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def give_up(self, reason: str, since_ns: int) -> bool:
        """Close the source under a thread that reads `since_ns`, which then opens it again.

        On a thread of its own, since closing may hang too. Returns False when the read has come back in the meantime.
        """
        with self._lock:
            source = self.source
            if source is None or self.phase != "reading" or self.since_ns != since_ns:
                return False
            self._verdict = reason
            self.closed_ns = self._timer.now_ns()
        threading.Thread(target=source.close, name=f"close-{self._camera.id}", daemon=True).start()
        return True

    def leave(self, since_ns: int) -> bool:
        """Abandon a thread that has hung since `since_ns`; return False when it has come back in the meantime."""
        with self._lock:
            if self.phase == "busy" or self.since_ns != since_ns:
                return False
            self._left = True
            self._stop.set()
            return True

    def _main(self) -> None:
        reason, error = "", None
        try:
            reason = self._work()
        except BaseException as exc:  # noqa: BLE001 - the top of a thread: handed on to run()
            error = exc
        finally:
            if self.source is not None:
                self.source.close()
            if self._left:
                _log.info("%s: the thread that was left behind has come back and ended", self._camera.id)
            else:
                self._owner.ended(self, reason, error)

    def _work(self) -> str:
        """Read until stopped or for good at the end; return why it ended, empty when a file is through."""
        wait_s = 0.0
        while True:
            source = self.source or self._open(wait_s)
            if source is None:
                return STOPPED
            reason, error = self._read(source)
            source.close()
            if self._left:
                return STOPPED
            if self._stop.is_set() or not source.endless or self._camera.reopen is None:
                return STOPPED if self._stop.is_set() else reason
            with self._lock:
                verdict = self._verdict
                self.source, self._verdict, self.closed_ns = None, "", None
            self._owner.counted(source.skipped)  # the count of the last source is read from that source
            self._owner.lost(verdict or reason, error)
            wait_s = self._backoff.wait_s(error)

    def _open(self, wait_s: float) -> FrameSource | None:
        """Wait, then try until a source opens; return None when asked to stop, or left."""
        reopen = self._camera.reopen
        if reopen is None:
            raise ValueError(f"camera {self._camera.id} has neither a source nor a way to open one")
        while not self._timer.wait(self._stop, wait_s) and self._enter("opening"):
            try:
                source = self._try(reopen)
            except SourceError as exc:
                if not self._enter("busy"):
                    break
                _log.debug("%s: cannot be opened: %s", self._camera.id, exc)
                self._owner.lost(str(exc), exc)
                wait_s = self._backoff.wait_s(exc)
                continue
            with self._lock:
                if not self._stop.is_set():
                    self.source = source
                    return source
            source.close()
            break
        return None

    def _try(self, reopen: Callable[[], FrameSource]) -> FrameSource:
        """Open a source. A target that worked before is not the user's mistake: another device has taken its place."""
        try:
            return reopen()
        except UsageError as exc:
            if self._owner.next_offset() == 0:
                raise
            raise SourceError(str(exc)) from exc

    def _read(self, source: FrameSource) -> tuple[str, SourceError | None]:
        """Hand on every frame; return why there are no more, empty when a file has simply ended."""
        offset = self._owner.next_offset()
        try:
            frames = iter(source)
            while self._enter("reading"):
                frame = next(frames, None)
                if frame is None or not self._enter("busy") or self._stop.is_set():
                    break
                reason = self._owner.take(frame, offset)
                if reason:
                    return reason, None
        except SourceError as exc:
            return str(exc), exc
        finally:
            self._enter("busy")
        return ("the stream ended" if source.endless else ""), None

    def _enter(self, phase: Phase) -> bool:
        """Set what the thread does from now on; return False when it was abandoned and must stop."""
        with self._lock:
            if self._left:
                return False
            self.since_ns = self._timer.now_ns()
            self.phase = phase
            return True
