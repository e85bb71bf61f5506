"""The messages of TensorRT: its functions return None, False or -1, and only its log holds the reason."""

import logging
import threading
import weakref
from collections import deque
from types import ModuleType
from typing import Final, Literal, TypeAlias

__all__ = ["LoggedMessage", "Severity", "TensorRtLog", "make_logger"]

_log = logging.getLogger(__name__)

Severity: TypeAlias = Literal["internal error", "error", "warning", "info", "verbose"]
LoggedMessage: TypeAlias = tuple[Severity, str]

_LEVELS: Final = {
    "internal error": logging.DEBUG,  # errors are raised with this text: they are not logged twice
    "error": logging.DEBUG,
    "warning": logging.INFO,
    "info": logging.DEBUG,
}
_KEPT: Final = 1000
_SHOWN: Final = 3
_LONGEST: Final = 400


class TensorRtLog:
    """The last messages of TensorRT, from any thread."""

    def __init__(self) -> None:
        self._messages: deque[LoggedMessage] = deque(maxlen=_KEPT)

    @property
    def messages(self) -> tuple[LoggedMessage, ...]:
        """Return the messages since `forget`, the oldest first; `verbose` ones are not kept."""
        return tuple(self._messages)

    def record(self, severity: Severity, text: str) -> None:
        """Keep a message."""
        if severity != "verbose":
            self._messages.append((severity, text))

    def forget(self) -> None:
        """Start anew, so that an old error is not taken for the reason of a new one."""
        self._messages.clear()

    def said(self) -> str:
        """Return the errors, or without any the warnings, in one line for the end of an error message."""
        messages = self.messages  # a copy: TensorRT's threads may go on talking
        for wanted in ({"internal error", "error"}, {"warning"}):
            texts = [" ".join(text.split()) for severity, text in messages if severity in wanted]
            if texts:
                text = "; ".join(list(dict.fromkeys(texts))[:_SHOWN])
                return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
        return "TensorRT gave no reason"


def make_logger(trt: ModuleType, log: TensorRtLog) -> object:
    """Return the process' one `ILogger` of the module `trt`, which writes to `log` too from now on, while there is one.

    TensorRT has a single logger for all builders and runtimes that are there at once: the first one's, which it uses
    for the others as well, and through a plain pointer. So the logger is shared and lives as long as the process, and
    each log gets what is said, about whichever plan.
    """
    kind = trt.ILogger
    logger, logs = _loggers.get(kind) or _loggers.setdefault(kind, _new_logger(trt))
    with _lock:
        logs.add(log)
    return logger


_Logs: TypeAlias = "weakref.WeakSet[TensorRtLog]"
_lock: Final = threading.Lock()
_loggers: Final[dict[type, tuple[object, _Logs]]] = {}
"""By the module's `ILogger`."""


def _new_logger(trt: ModuleType) -> tuple[object, _Logs]:
    logs: _Logs = weakref.WeakSet()
    severities: dict[object, Severity] = {
        trt.ILogger.INTERNAL_ERROR: "internal error",
        trt.ILogger.ERROR: "error",
        trt.ILogger.WARNING: "warning",
        trt.ILogger.INFO: "info",
        trt.ILogger.VERBOSE: "verbose",
    }

    class RecordingLogger(trt.ILogger):  # type: ignore[misc,name-defined]  # the module is known when the program runs
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # pybind11 refuses an object whose own constructor was not called

        def log(self, severity: object, msg: str) -> None:
            known = severities.get(severity, "error")
            if known == "verbose":
                return
            _log.log(_LEVELS[known], "TensorRT: %s", msg)
            with _lock:  # TensorRT calls from threads of its own, while another one opens a plan
                listeners = tuple(logs)
            for each in listeners:
                each.record(known, msg)

    return RecordingLogger(), logs
