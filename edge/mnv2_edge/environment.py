"""Read the environment, once: secrets and where files go. Everything else is configured by file and flag."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Environment", "read_environment"]

_NAME = "mnv2-edge"


@dataclass(frozen=True, slots=True)
class Environment:
    """What the process was given by its surroundings."""

    home: Path
    """Where engines and models are kept: $MNV2_EDGE_HOME, else systemd's state folder, else the user's data folder."""
    cache: Path
    """Where what can be made again is kept: systemd's cache folder, else the user's."""
    mqtt_password: str = field(default="", repr=False)
    camera_password: str = field(default="", repr=False)


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
    )


def _home_of_this_user() -> str:
    """Return what the user database says: a service of systemd's or cron's may have no $HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container that runs under a number without a name
        return "/"
