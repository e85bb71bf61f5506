"""Validity of certificates: those in files that configurations name, and those that brokers show."""

import time
from pathlib import Path
from typing import Final

from mnv2_edge.doctor import Finding, Machine, combine
from mnv2_edge.doctor.connections.broker_login import BrokerLogin
from mnv2_edge.doctor.connections.validity import Validity, read_pem_validities, read_validity
from mnv2_edge.doctor.service.configured import Configured, mqtt_settings
from mnv2_engines.files.regular_file import CERTIFICATE_LIMIT, decode_regular

__all__ = ["assess_shown_certificate", "check_certificates"]

_SOON_DAYS: Final = 30
_AUTHORITIES: Final = "ca_file"


def check_certificates(machine: Machine) -> Finding:
    """Find certificate files that have expired, will soon, or are not valid yet, as they seem with a wrong clock."""
    files = dict.fromkeys(found for configured in machine.configurations for found in _files(configured))
    if not files:
        return Finding("ok", "no configuration names a file with one")
    return combine([_look(name, Path(file), machine) for name, file in files])


def assess_shown_certificate(machine: Machine, login: BrokerLogin) -> Finding | None:
    """Check the certificate of a broker after the login; None without TLS, or when it is good."""
    certificate = machine.read_certificate(login)
    if certificate is None:
        return None
    try:
        finding = _judge(f"the certificate of {login.broker}", read_validity(certificate), machine)
    except ValueError:
        return None
    return finding if finding.verdict != "ok" else None


def _files(configured: Configured) -> list[tuple[str, str]]:
    if configured.config is None:
        return []
    return [
        (name, file)
        for settings in mqtt_settings(configured.config)
        for name, file in ((_AUTHORITIES, settings.ca_file), ("cert_file", settings.cert_file))
        if file is not None
    ]


def _look(name: str, file: Path, machine: Machine) -> Finding:
    try:
        found = read_pem_validities(decode_regular(file, CERTIFICATE_LIMIT, errors="replace"))
    except PermissionError:
        return Finding("warn", f"{name} {file} may not be read by this user", "sudo mnv2-edge doctor")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        return Finding("fail", f"{name} {file} cannot be read ({reason}): expected PEM certificates", f"ls -l {file}")
    if not found:
        return Finding("fail", f"{name} {file} holds no certificate: expected PEM", f"head -n 1 {file}")
    # Of authorities one that counts is enough, and a system's bundle has always some that ended; a chain needs all.
    choose = max if name == _AUTHORITIES else min
    return _judge(f"{name} {file}", choose(found, key=lambda validity: validity.not_after), machine)


def _judge(what: str, validity: Validity, machine: Machine) -> Finding:
    now = machine.now()
    if now < validity.not_before:
        clock = time.strftime("%Y-%m-%d", time.gmtime(now))
        why = f"{what} is valid from {_day(validity.not_before)} on only, and the clock here shows {clock}"
        return Finding("fail", why, "timedatectl")
    days = validity.days_left(now)
    if now > validity.not_after:
        return Finding("fail", f"{what} expired on {_day(validity.not_after)}: have a new one made")
    if days < _SOON_DAYS:
        return Finding("warn", f"{what} expires on {_day(validity.not_after)}, in {days} days: have a new one made")
    return Finding("ok", f"{what} is valid until {_day(validity.not_after)}")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
