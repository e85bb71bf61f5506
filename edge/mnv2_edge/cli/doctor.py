"""Check this machine, and say how to mend it."""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge import __version__
from mnv2_edge.cli.common import json_option
from mnv2_edge.cli.tables import print_table
from mnv2_edge.errors import ConfigError, UsageError
from mnv2_edge.exit_status import ExitStatus
from mnv2_edge.redaction import redact, refuse_password_in_argv

if TYPE_CHECKING:
    from mnv2_edge.doctor import Finding, Machine
    from mnv2_edge.doctor.gpu_trial import GpuTrial

__all__ = ["command"]

_log = logging.getLogger(__name__)

_COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog="""\b
Examples:
  mnv2-edge doctor
  mnv2-edge doctor --mqtt mqtt://broker.local
  mnv2-edge doctor --config mnv2-edge.yaml --json
  mnv2-edge doctor --tensorrt    on a Jetson: builds and times the demo network
"""
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE.yaml",
    help="Try its broker.",
)
@click.option("--mqtt", metavar="URI", help="Try to log in to this broker.")
@click.option(
    "--tensorrt",
    is_flag=True,
    help="Build the demo network on the GPU, compare it with LiteRT, time it, and print a block for a report: minutes.",
)
@json_option
def command(config_file: Path | None, mqtt: str | None, *, tensorrt: bool, as_json: bool) -> int:
    """Check this machine, and say how to mend it.

    On a Jetson that includes what TensorRT needs. Exit status 1 when a check fails; a warning is none.
    """
    from mnv2_edge.config.model import Config
    from mnv2_edge.config.read import read_config
    from mnv2_edge.doctor import examine
    from mnv2_edge.doctor.checks import CHECKS, JETSON_CHECKS
    from mnv2_edge.doctor.gpu_report import describe_trial
    from mnv2_edge.doctor.this_machine import broker_logins, this_machine
    from mnv2_edge.environment import read_environment
    from mnv2_engines.device import describe_device
    from mnv2_engines.tensorrt.jetson import is_jetson

    if mqtt is not None:
        refuse_password_in_argv(mqtt)
        _require_broker(mqtt)
    config = read_config(config_file) if config_file else Config(version=1)
    environment = read_environment(os.environ)
    machine = this_machine(broker_logins(config, mqtt, environment), environment.home)
    jetson = tensorrt or is_jetson(machine.root)
    findings = examine(machine, (*CHECKS, *JETSON_CHECKS) if jetson else CHECKS)
    trial = None
    if tensorrt and all(finding.verdict != "fail" for name, finding in findings if name in {"tensorrt", "gpu"}):
        finding, trial = _try_gpu(machine)
        findings = (*findings, ("gpu-trial", finding))
    failed = any(finding.verdict == "fail" for _, finding in findings)
    if as_json:
        _print_json(findings, trial, healthy=not failed)
    else:
        _print(findings)
        if trial is not None:
            board, power = describe_device(machine.root).board, dict(findings)["power"].why
            click.echo(f"\n{describe_trial(trial, board=board, power=power)}")
    return ExitStatus.CHECK_FAILED if failed else ExitStatus.DONE


def _try_gpu(machine: "Machine") -> "tuple[Finding, GpuTrial | None]":
    from mnv2_edge.doctor import Finding
    from mnv2_edge.doctor.gpu_report import TRIAL, TRIAL_TIMEOUT_S, judge_trial, read_trial

    _log.info("TensorRT builds the demo network now: some minutes on a Jetson")
    found = read_trial(machine.run_python(TRIAL, str(machine.root), timeout_s=TRIAL_TIMEOUT_S))
    return (found, None) if isinstance(found, Finding) else (judge_trial(found), found)


def _print_json(findings: "Sequence[tuple[str, Finding]]", trial: "GpuTrial | None", *, healthy: bool) -> None:
    import msgspec

    report: dict[str, object] = {
        "version": __version__,
        "healthy": healthy,
        "checks": [{"name": name, **asdict(finding)} for name, finding in findings],
    }
    if trial is not None:
        report["tensorrt"] = msgspec.to_builtins(trial)
    click.echo(redact(json.dumps(report, indent=2)))


def _require_broker(uri: str) -> None:
    """Raise UsageError unless the flag names a broker; in a file the same mistake is one of the configuration."""
    from mnv2_edge.sinks.broker import parse_broker

    try:
        parse_broker(uri)
    except ConfigError as exc:
        raise UsageError(f"--mqtt: {exc}") from exc


def _print(findings: "Sequence[tuple[str, Finding]]") -> None:
    """Show findings, and below them each command in one piece, so that it can be copied."""
    rows = [(name, finding.verdict, redact(finding.why)) for name, finding in findings]
    print_table(("check", "verdict", "why"), rows, colors=_COLORS)
    mends = [f"  {finding.mend}" for _, finding in findings if finding.mend]
    if mends:
        click.echo("\n".join(["", "To mend it:", *mends]))
