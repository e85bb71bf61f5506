"""Checks of the service's configurations, and of who may read their secrets."""

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mnv2_edge.config.model import Config
from mnv2_edge.doctor import Finding, Fix, Machine, combine
from mnv2_edge.doctor.service.configured import mqtt_settings
from mnv2_edge.host.system import read_accounts
from mnv2_edge.service.paths import USER

__all__ = ["check_configurations", "check_secrets"]

_OTHERS: Final = 0o007
_ROOT: Final = "root"
_AS_ROOT: Final = "sudo mnv2-edge doctor"


def check_configurations(machine: Machine) -> Finding:
    """Find configurations that are wrong: an instance goes on with the old one, until it is started again."""
    findings = []
    for configured in machine.configurations:
        if configured.forbidden:
            findings.append(Finding("warn", f"{configured.file} may not be read by this user", _AS_ROOT))
        elif configured.config is None:
            lines = configured.trouble.splitlines()
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            findings.append(Finding("fail", f"{lines[0]}{more}", f"mnv2-edge config check {configured.file}"))
        else:
            findings.append(Finding("ok", f"{configured.name} is as it should be"))
    return combine(findings) if findings else Finding("ok", "none is installed; --config FILE looks at one")


def check_secrets(machine: Machine) -> Finding:
    """Find files with a password or a private key that every user of this machine may read."""
    files = {
        Path(file): USER if configured.instance else ""
        for configured in machine.configurations
        if configured.config is not None
        for file in _secret_files(configured.config)
    }
    store = machine.root / "etc/credstore"
    findings = []
    try:
        files |= {file: _ROOT for file in store.iterdir() if file.name.startswith("mnv2-edge.")}
    except PermissionError:
        findings.append(Finding("ok", f"{store} is closed to others"))
    except OSError:  # there is none
        pass
    findings += [_look(file, reader, machine) for file, reader in sorted(files.items())]
    return combine(findings) if findings else Finding("ok", "no configuration names a file with one")


def _secret_files(config: Config) -> list[str]:
    cameras = [camera.password_file for camera in config.cameras]
    brokers = [file for settings in mqtt_settings(config) for file in (settings.password_file, settings.key_file)]
    return [file for file in (*cameras, *brokers) if file is not None]


def _look(file: Path, reader: str, machine: Machine) -> Finding:
    """Check one file; `reader` is the user who has to be able to read it, empty for the current user."""
    try:
        found = file.stat()
    except PermissionError:
        return Finding("ok", f"{file} is hidden from this user")
    except OSError as exc:
        return Finding("fail", f"{file} is not there ({exc.strerror})", f"ls -l {shlex.quote(str(file.parent))}")
    if not found.st_mode & _OTHERS:
        return Finding("ok", f"{file} is closed to others")
    why = f"{file} is open to every user of this machine ({stat.filemode(found.st_mode)})"
    name = shlex.quote(str(file))
    accounts = read_accounts(machine.root)
    if not _reads_without_others(found, reader, accounts, machine.uid):
        return Finding("warn", why, f"sudo chgrp {reader or '$(id -gn)'} {name}\nsudo chmod 640 {name}")
    fix = _close(file, found.st_uid, accounts, machine.uid)
    if fix is None:
        return Finding("warn", why, f"sudo chmod o= {name}")
    return Finding("warn", why, f"{'sudo ' if fix.root else ''}{shlex.join(fix.command)}", (fix,))


def _reads_without_others(
    found: os.stat_result, reader: str, accounts: Mapping[str, tuple[int, int]], uid: int
) -> bool:
    """Return whether a file's reader could still read it if others could not; False for an unknown reader."""
    if reader == _ROOT or (not reader and uid in (0, found.st_uid)):
        return True
    user, group = accounts.get(reader, (-1, -1))
    return found.st_uid == user or (found.st_gid == group and bool(found.st_mode & stat.S_IRGRP))


def _close(file: Path, owner: int, accounts: Mapping[str, tuple[int, int]], uid: int) -> Fix | None:
    """Return how to take the rights of others away: as its owner, who may have put a link there by then."""
    does, command = f"close {file} to everybody but its owner and group", ("chmod", "o=", str(file))
    if owner in (0, uid):
        return Fix(does, command, root=owner != uid)
    name = next((name for name, (user, _) in accounts.items() if user == owner), None)
    return None if name is None else Fix(does, ("runuser", "-u", name, "--", *command), root=True)
