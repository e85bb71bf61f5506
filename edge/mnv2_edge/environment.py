"""Read the environment, once: secrets and where the cache is. Everything else is configured by file and flag."""

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

    cache: Path
    """Where what can be made again is kept: systemd's cache folder, else the user's."""
    mqtt_password: str = field(default="", repr=False)
    camera_password: str = field(default="", repr=False)


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read `os.environ`, or any mapping like it. systemd may name several folders, of which the first is ours."""
    systemd = variables.get("CACHE_DIRECTORY", "").partition(":")[0]
    user = Path(variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME") or _home_of_this_user()) / ".cache")
    return Environment(
        cache=Path(systemd) if systemd else user / _NAME,
        mqtt_password=variables.get("MNV2_EDGE_MQTT_PASSWORD", ""),
        camera_password=variables.get("MNV2_EDGE_CAMERA_PASSWORD", ""),
    )


def _home_of_this_user() -> str:
    """Return what the user database says: a service of systemd's or cron's may have no $HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container that runs under a number without a name
        return "/"
