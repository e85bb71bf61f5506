"""The errors at run time, each with the exit status that the command line ends with.

    EdgeError                      70  our bug, if nothing better is known
    ├── UsageError                  2  the command line asks for something impossible      (ValueError)
    ├── ConfigError                78  a configuration file is wrong                       (ValueError)
    ├── SourceError                69  a camera or file cannot be opened or read           (OSError)
    │   ├── PictureError           69  a compressed picture is damaged, or too large to decode
    │   ├── SourceNotFoundError    69  it is not there
    │   └── SourcePermissionError  77  it may not be opened by this user
    │       └── SourceLoginError   77  it refuses the password
    ├── LibraryMissingError        69  a library that a source needs cannot be imported    (ImportError)
    ├── AccessError                77  a folder may not be written by this user            (PermissionError)
    ├── SinkError                  69  a sink cannot be opened                             (OSError)
    ├── SinkFailedError            70  a sink broke while it ran, by its own fault         (RuntimeError)
    ├── RecordsLostError           75  a run that came to its end lost records on the way  (RuntimeError)
    ├── PluginError                78  an entry point is unknown or broken                 (ImportError)
    ├── StepFailedError             1  or that command's: one that setup ran did not work  (RuntimeError)
    └── TemporaryError             75  try again: a thread is stuck beyond repair          (RuntimeError)

Errors of mnv2_engines are mapped to a status in `mnv2_edge.errors`. Each message holds the value, what was
expected and the next command to type, in one line.
"""

from collections.abc import Mapping
from enum import IntEnum

from mnv2_engines import errors as engines

__all__ = [
    "AccessError",
    "ConfigError",
    "EdgeError",
    "ExitStatus",
    "LibraryMissingError",
    "PictureError",
    "PluginError",
    "RecordsLostError",
    "SinkError",
    "SinkFailedError",
    "SourceError",
    "SourceLoginError",
    "SourceNotFoundError",
    "SourcePermissionError",
    "StepFailedError",
    "TemporaryError",
    "UsageError",
    "exit_status_of",
]


class EdgeError(Exception):
    """Root of every error that mnv2_edge raises on purpose."""

    exit_status = 70


class UsageError(EdgeError, ValueError):
    """A command line that asks for something impossible."""

    exit_status = 2


class ConfigError(EdgeError, ValueError):
    """Mistakes in a configuration; the message may hold several lines, one a mistake."""

    exit_status = 78


class SourceError(EdgeError, OSError):
    """A camera or file that cannot be opened or read."""

    exit_status = 69


class PictureError(SourceError):
    """A compressed picture that is not decoded; the text says why and follows the picture's name."""


class SourceNotFoundError(SourceError):
    """A camera or file that is missing; the message lists what is there."""


class SourcePermissionError(SourceError):
    """A camera or file that this user may not open; the message names the group to join."""

    exit_status = 77


class SourceLoginError(SourcePermissionError):
    """A camera that refuses the user or the password; another attempt soon would lock the account."""


class AccessError(EdgeError, PermissionError):
    """A folder for results that this user may not write to."""

    exit_status = 77


class LibraryMissingError(EdgeError, ImportError):
    """A library that a source needs and how to install it; to wait for the camera would not help."""

    exit_status = 69


class SinkError(EdgeError, OSError):
    """A sink that cannot be opened."""

    exit_status = 69


class SinkFailedError(EdgeError, RuntimeError):
    """A sink that failed while it ran, by its own fault."""


class RecordsLostError(EdgeError, RuntimeError):
    """Records that nobody got, of a run that came to its end; the message says how many."""

    exit_status = 75


class PluginError(EdgeError, ImportError):
    """An entry point that is unknown or broken; the message lists those that exist."""

    exit_status = 78


class StepFailedError(EdgeError, RuntimeError):
    """A command that was run for the user and failed; the exit status is that of the command."""

    exit_status = 1

    def __init__(self, message: str, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class TemporaryError(EdgeError, RuntimeError):
    """A fault that ends this process and that a new process may not meet."""

    exit_status = 75


class ExitStatus(IntEnum):
    """Exit statuses of `mnv2-edge`."""

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
    """The reader of stdout has gone: 128 + SIGPIPE, as shells have it."""


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
    """Return the status that the process ends with because of `error`; None when it was not foreseen.

    An error that is foreseen explains itself in one line. For one that is not, the status is `ExitStatus.BUG`.
    """
    if isinstance(error, EdgeError):
        return error.exit_status
    for kind in type(error).__mro__:
        if kind in _ENGINES:
            return _ENGINES[kind]
    return None
