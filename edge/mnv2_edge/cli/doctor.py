"""`mnv2-edge doctor`: checks of this machine, each with the command that repairs it."""

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge import __version__
from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.progress import show_checks
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.errors import AccessError, ConfigError, ExitStatus, UsageError
from mnv2_edge.redaction import redact, redact_json, refuse_password_in_argv
from mnv2_engines.files.disk_errors import read_only_error
from mnv2_engines.files.regular_file import UnfitFileError, require_replaceable
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_edge.doctor import Finding, Fix, Machine
    from mnv2_edge.doctor.fixes import FixAttempt
    from mnv2_edge.doctor.gpu.trial import GpuTrial

__all__ = ["command"]

_log = logging.getLogger(__name__)

_OUTCOMES = {"done": "done", "failed": "failed", "left": "not done"}
_COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog="""\b
Examples:
  mnv2-edge doctor
  sudo mnv2-edge doctor          sees what is root's too: passwords of the service, who has a camera open
  mnv2-edge doctor --mqtt mqtt://broker.local
  mnv2-edge doctor --config mnv2-edge.yaml --json
  mnv2-edge doctor --fix --dry-run
  mnv2-edge doctor --strict --json > health.json     in a fleet: warnings count too
  mnv2-edge doctor --report report.tar.gz
  mnv2-edge doctor --tensorrt    on a Jetson: builds and times the demo network

\b
Exit status: 0 all well, or warnings alone; 1 a check failed (with --strict: or warned);
78 the file of --config is wrong. docs/doctor.md explains every check.
"""
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE.yaml",
    help="Check this configuration: its broker, certificates, secrets. [default: those of the service]",
)
@click.option("--mqtt", metavar="URI", help="Try to log in to this broker.")
@click.option("--strict", is_flag=True, help="End with status 1 for a warning too.")
@click.option(
    "--fix", is_flag=True, help="Do what is safe and can be undone, then check again. Never sudo, never a reboot."
)
@click.option("--dry-run", is_flag=True, help="With --fix: show what would be done, and do nothing.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.tar.gz",
    help="Write what was found, versions, logs and configurations for a bug report, without secrets.",
)
@click.option("--force", is_flag=True, help="With --report: overwrite an existing file.")
@click.option(
    "--tensorrt",
    is_flag=True,
    help="Build the demo network on the GPU, compare it with LiteRT, time it, and print a block for a report: minutes.",
)
@json_option
def command(
    config_file: Path | None,
    mqtt: str | None,
    report: Path | None,
    *,
    strict: bool,
    fix: bool,
    dry_run: bool,
    force: bool,
    tensorrt: bool,
    as_json: bool,
) -> int:
    """Check this machine, and show how to repair it.

    It looks at the board, at what is installed, at cameras, power, heat, memory and disk, and at the service, whose
    brokers it tries. On a Jetson that includes what TensorRT needs. Nothing is changed without --fix.
    """
    from mnv2_edge.doctor import examine
    from mnv2_edge.doctor.checks import CHECKS, JETSON_CHECKS
    from mnv2_engines.tensorrt.jetson import is_jetson

    if dry_run and not fix:
        raise UsageError("--dry-run has nothing to hold back: add --fix")
    if report is not None:
        _require_new(report, force=force)
    machine = _look_around(config_file, mqtt)
    checks = (*CHECKS, *JETSON_CHECKS) if tensorrt or is_jetson(machine.root) else CHECKS
    with show_checks() as announce:
        findings = examine(machine, checks, announce)
    attempts = _fix(machine, findings, dry_run=dry_run) if fix else ()
    if any(attempt.outcome == "done" for attempt in attempts):
        again = {attempt.check for attempt in attempts}
        seen = dict(examine(machine, [check for check in checks if check.name in again]))
        findings = tuple((name, seen.get(name, finding)) for name, finding in findings)
    trial = None
    if tensorrt and all(finding.verdict != "fail" for name, finding in findings if name in {"tensorrt", "gpu"}):
        finding, trial = _try_gpu(machine)
        findings = (*findings, ("gpu-trial", finding))
    if as_json:
        _print_json(findings, trial, attempts if fix else None)
    else:
        _print(findings, attempts, machine.uid)
        if trial is not None:
            _print_trial(machine, trial, findings)
    if report is not None:
        _report(report, machine, findings, quiet=as_json)
    bad = {"fail", "warn"} if strict else {"fail"}
    return ExitStatus.CHECK_FAILED if any(found.verdict in bad for _, found in findings) else ExitStatus.DONE


def _look_around(config_file: Path | None, mqtt: str | None) -> "Machine":
    """Return the machine, with what was named; and with the service's own configurations when nothing was."""
    from mnv2_edge.config.model import Config
    from mnv2_edge.config.read import read_config
    from mnv2_edge.doctor.machine import this_machine
    from mnv2_edge.doctor.service.configured import Configured, broker_logins, instance_logins, read_instances
    from mnv2_edge.environment import read_environment

    if mqtt is not None:
        refuse_password_in_argv(mqtt)
        _require_broker(mqtt)
    environment = read_environment(os.environ)
    root = Path("/")
    if config_file is not None:
        config = read_config(config_file)
        configurations: tuple[Configured, ...] = (Configured(config_file, "", config),)
        brokers = broker_logins(config, mqtt, environment)
    else:
        configurations = read_instances(root)
        brokers = broker_logins(Config(version=1), mqtt, environment)
        if mqtt is None:
            brokers = instance_logins(configurations, root)
    return this_machine(brokers, environment.home, cache_folder=environment.cache, configurations=configurations)


def _fix(machine: "Machine", findings: "Sequence[tuple[str, Finding]]", *, dry_run: bool) -> "tuple[FixAttempt, ...]":
    from mnv2_edge.doctor.fixes import fix_all

    def confirm(fix: "Fix") -> bool:
        if not sys.stdin.isatty():
            return False
        return click.confirm(f"{shlex.join(fix.command)} may take minutes. Run it now?", err=True)

    return fix_all(machine, findings, dry_run=dry_run, confirm=confirm)


def _try_gpu(machine: "Machine") -> "tuple[Finding, GpuTrial | None]":
    from mnv2_edge.doctor import Finding
    from mnv2_edge.doctor.gpu.report import TRIAL, TRIAL_TIMEOUT_S, assess_trial, read_trial

    _log.info("TensorRT builds the demo network now: some minutes on a Jetson")
    found = read_trial(machine.run_python(TRIAL, str(machine.root), timeout_s=TRIAL_TIMEOUT_S))
    return (found, None) if isinstance(found, Finding) else (assess_trial(found), found)


def _print_json(
    findings: "Sequence[tuple[str, Finding]]", trial: "GpuTrial | None", attempts: "Sequence[FixAttempt] | None"
) -> None:
    import msgspec

    from mnv2_edge.doctor.summary import as_plain

    told = {"version": __version__, **as_plain(findings)}
    if attempts is not None:
        told["fixes"] = [asdict(attempt) for attempt in attempts]
    if trial is not None:
        told["tensorrt"] = msgspec.to_builtins(trial)
    click.echo(redact_json(told, indent=2))


def _print_trial(machine: "Machine", trial: "GpuTrial", findings: "Sequence[tuple[str, Finding]]") -> None:
    from mnv2_edge.doctor.gpu.report import describe_trial
    from mnv2_engines.engine.device import describe_device

    board, power = describe_device(machine.root).board, dict(findings)["power"].why
    click.echo(f"\n{describe_trial(trial, board=board, power=power)}")


def _report(path: Path, machine: "Machine", findings: "Sequence[tuple[str, Finding]]", *, quiet: bool) -> None:
    """Write the archive and say what is in it: to stderr where stdout holds something for a program."""
    from mnv2_edge.doctor.report.archive import FOLDER, write_report

    parts = write_report(path, machine, findings, os.environ)
    lines = [f"  {part.name:<32} {part.what}{f' (not all: {part.missing})' if part.missing else ''}" for part in parts]
    told = [
        "",
        f"{path} is written, and only you may read it. In it:",
        *lines,
        "Nothing was sent. Look at it before you send it:",
    ]
    told.append(f"  tar -xzf {shlex.quote(str(path))} && find {FOLDER} -type f | xargs less")
    click.echo(printable(redact("\n".join(told)), keep="\n"), err=quiet)


def _require_new(path: Path, *, force: bool) -> None:
    """Raise UsageError or AccessError now, and not after minutes of looking around, when the file cannot be written."""
    folder = path.parent
    try:
        require_replaceable(path)
        if path.exists() and not force:
            raise UsageError(f"{path} is there already: choose another name, or write over it with --force")
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder: expected the name of a file in one")
        is_ours = os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
    except PermissionError:
        is_ours = False
    except (UnfitFileError, IsADirectoryError) as exc:
        raise UsageError(f"{path} cannot be written over ({exc.strerror}): choose another name") from exc
    if not is_ours:
        closed = AccessError(f"{folder} may not be written by this user: choose a folder of your own")
        raise read_only_error(folder, f"{path} cannot be written") or closed


def _require_broker(uri: str) -> None:
    """Raise UsageError unless the flag names a broker; in a file the same mistake is one of the configuration."""
    from mnv2_edge.sinks.broker import parse_broker

    try:
        parse_broker(uri)
    except ConfigError as exc:
        raise UsageError(f"--mqtt: {exc}") from exc


def _print(findings: "Sequence[tuple[str, Finding]]", attempts: "Sequence[FixAttempt]", uid: int) -> None:
    """Show what was done, then findings, and below them each command in one piece, so that it can be copied."""
    from mnv2_edge.doctor.summary import by_severity, describe_commands, offer_fixes, summarise

    for attempt in attempts:
        why = f" ({attempt.why})" if attempt.why else ""
        click.echo(printable(redact(f"{attempt.check}: {_OUTCOMES[attempt.outcome]}{why}: {attempt.command}")))
    rows = [(name, finding.verdict, redact(finding.why)) for name, finding in by_severity(findings)]
    print_table(("check", "verdict", "why"), rows, colors=_COLORS)
    mends, offers = describe_commands(findings), () if attempts else offer_fixes(findings, uid)
    click.echo("\n".join(["", *([redact(mends), ""] if mends else []), summarise(findings), *offers]))
