"""Look at the configurations of the service, and at who may read their secrets."""

import stat
from pathlib import Path
from typing import Final

from mnv2_edge.config.model import Config
from mnv2_edge.doctor import Finding, Fix, Machine, combine
from mnv2_edge.doctor.configured import mqtt_settings

__all__ = ["check_configurations", "check_secrets"]

_OTHERS: Final = 0o007
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
        Path(file)
        for configured in machine.configurations
        if configured.config is not None
        for file in _secret_files(configured.config)
    }
    store = machine.root / "etc/credstore"
    findings = []
    try:
        files |= {file for file in store.iterdir() if file.name.startswith("mnv2-edge.")}
    except PermissionError:
        findings.append(Finding("ok", f"{store} is closed to others"))
    except OSError:  # there is none
        pass
    findings += [_look(file, machine.uid) for file in sorted(files)]
    return combine(findings) if findings else Finding("ok", "no configuration names a file with one")


def _secret_files(config: Config) -> list[str]:
    cameras = [camera.password_file for camera in config.cameras]
    brokers = [file for settings in mqtt_settings(config) for file in (settings.password_file, settings.key_file)]
    return [file for file in (*cameras, *brokers) if file is not None]


def _look(file: Path, uid: int) -> Finding:
    try:
        found = file.stat()
    except PermissionError:
        return Finding("ok", f"{file} is hidden from this user")
    except OSError as exc:
        return Finding("fail", f"{file} is not there ({exc.strerror})", f"ls -l {file.parent}")
    if not found.st_mode & _OTHERS:
        return Finding("ok", f"{file} is closed to others")
    mode = stat.filemode(found.st_mode)
    fix = Fix(
        f"close {file} to everybody but its owner and group", ("chmod", "o=", str(file)), root=found.st_uid != uid
    )
    sudo = "sudo " if fix.root else ""
    return Finding("warn", f"{file} is open to every user of this machine ({mode})", f"{sudo}chmod o= {file}", (fix,))
