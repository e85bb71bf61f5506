"""Paths of the service's files, and valid names of instances."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.errors import UsageError

__all__ = ["USER", "ServicePaths", "instance_name", "unit_of"]

USER: Final = "mnv2-edge"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class ServicePaths:
    """Folders of the service; `root` is / except in tests."""

    root: Path = Path("/")

    @property
    def software(self) -> Path:
        """Return where install.sh puts versions; `current` in it is the one that runs."""
        return self.root / "opt/mnv2-edge"

    @property
    def installer(self) -> Path:
        """Return the installer of the current version."""
        return self.software / "current/install.sh"

    @property
    def configurations(self) -> Path:
        """Return where the configuration of each instance is."""
        return self.root / "etc/mnv2-edge"

    @property
    def state(self) -> Path:
        """Return where engines are: systemd's $STATE_DIRECTORY."""
        return self.root / "var/lib/mnv2-edge"

    def configuration(self, name: str) -> Path:
        """Return the configuration of an instance."""
        return self.configurations / f"{name}.yaml"

    def files(self, name: str) -> Path:
        """Return the folder of what `service install` copied for an instance: engine, labels."""
        return self.state / "instances" / name

    def instances(self) -> tuple[str, ...]:
        """Return the names of all instances that have a configuration."""
        return tuple(sorted(path.stem for path in self.configurations.glob("*.yaml") if _NAME.fullmatch(path.stem)))


def instance_name(name: str) -> str:
    """Return the name if an instance may be called so. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name an instance: expected a-z, 0-9, - and _, as in door; see --name")
    return name


def unit_of(name: str) -> str:
    """Return the unit of an instance."""
    return f"mnv2-edge@{name}.service"
