"""The environment, read once: secrets, where files go, and what systemd says. Everything else is configured."""

import os
import pwd
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mnv2_engines.files.regular_file import read_start

__all__ = ["Environment", "forget_unknown", "read_environment"]

_NAME = "mnv2-edge"
_LONGEST_SECRET = 4096
_PROGRAMS: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where root looks for programs: folders of the system's packages."""
_OURS: Final = ("MNV2_EDGE_", "_MNV2_EDGE_", "LC_", "WATCHDOG_", "SUDO_")
_KNOWN: Final = frozenset(
    (
        *("STATE_DIRECTORY", "CACHE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "INVOCATION_ID"),
        *("USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"),
        *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    )
)


@dataclass(frozen=True, slots=True)
class Environment:
    """Paths, secrets and service manager settings that the process was started with."""

    home: Path
    """Where engines and models are kept: $MNV2_EDGE_HOME, else systemd's state folder, else the user's data folder."""
    cache: Path
    """Where what can be made again is kept: systemd's cache folder, else the user's."""
    mqtt_password: str = field(default="", repr=False)
    camera_password: str = field(default="", repr=False)
    credentials: Path | None = None
    """Where systemd puts secrets for this process alone."""
    notify_socket: str = ""
    """Where a service manager wants to hear of this process; empty when none does."""
    watchdog_s: float = 0.0
    """How long it waits for a sign of life before it kills this process; 0: no limit."""

    def credential(self, name: str) -> str | None:
        """Return the file of a secret that systemd was told to load; None when there is none, or a line end alone.

        That is what the unit has in the place of a secret that was never written.
        """
        file = self.credentials / name if self.credentials else None
        return str(file) if file is not None and file.is_file() and read_start(file, _LONGEST_SECRET).strip() else None


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read `os.environ`, or any mapping like it. systemd may name several folders, of which the first is ours."""
    user = Path(variables.get("HOME") or _home_of_this_user())

    def folder(systemd: str, xdg: str, default: str) -> Path:
        if variables.get(systemd):
            return Path(variables[systemd].partition(":")[0])
        return Path(variables.get(xdg) or user / default) / _NAME

    own = variables.get("MNV2_EDGE_HOME")
    return Environment(
        home=Path(own) if own else folder("STATE_DIRECTORY", "XDG_DATA_HOME", ".local/share"),
        cache=folder("CACHE_DIRECTORY", "XDG_CACHE_HOME", ".cache"),
        mqtt_password=variables.get("MNV2_EDGE_MQTT_PASSWORD", ""),
        camera_password=variables.get("MNV2_EDGE_CAMERA_PASSWORD", ""),
        credentials=Path(credentials) if (credentials := variables.get("CREDENTIALS_DIRECTORY")) else None,
        notify_socket=variables.get("NOTIFY_SOCKET", ""),
        watchdog_s=_watchdog_s(variables),
    )


def forget_unknown(variables: MutableMapping[str, str]) -> None:
    """Take away every variable that is not known to decide no more than words, places of ours and proxies.

    For root: others name folders of plug-ins (GStreamer, libcamera, OpenCV, GLib) or of programs, and somebody else may
    write there. Without $HOME the user database says where root's home is.
    """
    for name in [name for name in variables if name not in _KNOWN and not name.startswith(_OURS)]:
        del variables[name]
    variables["PATH"] = _PROGRAMS


def _watchdog_s(variables: Mapping[str, str]) -> float:
    """Return what sd_watchdog_enabled(3) does: both variables reach children, which are not supervised."""
    meant = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = variables.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if meant and microseconds.isdecimal() else 0.0


def _home_of_this_user() -> str:
    """Return what the user database says: a service of systemd's or cron's may have no $HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container that runs under a number without a name
        return "/"
