"""Name everything that can go wrong at run time, each with the exit status that the command line ends with.

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

Errors of mnv2_engines are mapped to a status in `mnv2_edge.exit_status`. Each message holds the value, what was
expected and the next command to type, in one line.
"""

__all__ = [
    "AccessError",
    "ConfigError",
    "EdgeError",
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
]


class EdgeError(Exception):
    """Be the root of every error that mnv2_edge raises on purpose."""

    exit_status = 70


class UsageError(EdgeError, ValueError):
    """Say that the command line asks for something impossible."""

    exit_status = 2


class ConfigError(EdgeError, ValueError):
    """Say where a configuration is wrong; the message may hold several lines, one a mistake."""

    exit_status = 78


class SourceError(EdgeError, OSError):
    """Say that a camera or file cannot be opened or read."""

    exit_status = 69


class PictureError(SourceError):
    """Say why a compressed picture is not decoded; the text follows the picture's name."""


class SourceNotFoundError(SourceError):
    """Say that a camera or file is not there, and what is."""


class SourcePermissionError(SourceError):
    """Say that a camera or file may not be opened, and which group to join."""

    exit_status = 77


class SourceLoginError(SourcePermissionError):
    """Say that a camera refuses the user or the password; asking again soon would lock the account."""


class AccessError(EdgeError, PermissionError):
    """Say that a folder for results may not be written by this user."""

    exit_status = 77


class LibraryMissingError(EdgeError, ImportError):
    """Say which library a source needs and how to install it; waiting for the camera would not bring it."""

    exit_status = 69


class SinkError(EdgeError, OSError):
    """Say that a sink cannot be opened."""

    exit_status = 69


class SinkFailedError(EdgeError, RuntimeError):
    """Say that a sink broke while it ran, by its own fault."""


class RecordsLostError(EdgeError, RuntimeError):
    """Say how many records of a run that came to its end nobody got."""

    exit_status = 75


class PluginError(EdgeError, ImportError):
    """Say which entry point is unknown or broken, and which there are."""

    exit_status = 78


class StepFailedError(EdgeError, RuntimeError):
    """Say that a command that was run for the user did not work; the status is that command's own."""

    exit_status = 1

    def __init__(self, message: str, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class TemporaryError(EdgeError, RuntimeError):
    """Say that this process cannot go on and a new one may."""

    exit_status = 75
