"""Say with which status the process ends, for every error there is.

The numbers are those of sysexits.h where it has one, so that a service manager can tell a wrong configuration (do not
restart) from an absent camera (try again).
"""

from collections.abc import Mapping
from enum import IntEnum

from mnv2_edge.errors import EdgeError
from mnv2_engines import errors as engines

__all__ = ["ExitStatus", "exit_status_of"]


class ExitStatus(IntEnum):
    """Name the exit statuses of `mnv2-edge`."""

    DONE = 0
    CHECK_FAILED = 1
    """A check said no: doctor, the parity of a build, the demo's judge."""
    USAGE = 2
    BAD_ENGINE = 65
    """An engine, model or label file is broken, stale or does not fit."""
    UNAVAILABLE = 69
    """A camera, a broker, a device or a library is not there."""
    BUG = 70
    TRY_AGAIN = 75
    NO_PERMISSION = 77
    BAD_CONFIG = 78
    INTERRUPTED = 130
    """Ctrl-C, in a command that had more to do: 128 + SIGINT, as shells have it."""
    PIPE_CLOSED = 141
    """Whoever read stdout has gone: 128 + SIGPIPE, as shells have it."""


_ENGINES: Mapping[type[BaseException], ExitStatus] = {
    engines.ModelError: ExitStatus.BAD_ENGINE,
    engines.EngineError: ExitStatus.BAD_ENGINE,
    engines.UntestedEngineError: ExitStatus.TRY_AGAIN,
    engines.LabelsError: ExitStatus.BAD_ENGINE,
    engines.ContractError: ExitStatus.USAGE,
    engines.CatalogueError: ExitStatus.BAD_CONFIG,
    engines.DownloadError: ExitStatus.UNAVAILABLE,
    engines.BackendUnavailableError: ExitStatus.UNAVAILABLE,
    engines.InferenceError: ExitStatus.BUG,
    engines.BuildError: ExitStatus.CHECK_FAILED,
    engines.PlaceFailedError: ExitStatus.TRY_AGAIN,
    engines.PlaceClosedError: ExitStatus.NO_PERMISSION,
    engines.MemoryShortageError: ExitStatus.TRY_AGAIN,
    engines.StoreAccessError: ExitStatus.NO_PERMISSION,
    engines.DiskError: ExitStatus.TRY_AGAIN,
    engines.StoreError: ExitStatus.UNAVAILABLE,
}


def exit_status_of(error: BaseException) -> int | None:
    """Return the status that the process ends with because of `error`; None when nobody foresaw it.

    An error that is foreseen explains itself in one line. For one that is not, the status is `ExitStatus.BUG`.
    """
    if isinstance(error, EdgeError):
        return error.exit_status
    for kind in type(error).__mro__:
        if kind in _ENGINES:
            return _ENGINES[kind]
    return None
