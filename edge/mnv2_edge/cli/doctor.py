"""Check this machine, and say how to mend it."""

import json
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
    from mnv2_edge.doctor import Finding

__all__ = ["command"]

_COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog="""\b
Examples:
  mnv2-edge doctor
  mnv2-edge doctor --mqtt mqtt://broker.local
  mnv2-edge doctor --config mnv2-edge.yaml --json
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
@json_option
def command(config_file: Path | None, mqtt: str | None, *, as_json: bool) -> int:
    """Check this machine, and say how to mend it.

    Exit status 1 when a check fails; a warning is none.
    """
    from mnv2_edge.config.model import Config
    from mnv2_edge.config.read import read_config
    from mnv2_edge.doctor import examine
    from mnv2_edge.doctor.checks import CHECKS
    from mnv2_edge.doctor.this_machine import broker_logins, this_machine
    from mnv2_edge.environment import read_environment

    if mqtt is not None:
        refuse_password_in_argv(mqtt)
        _require_broker(mqtt)
    config = read_config(config_file) if config_file else Config(version=1)
    logins = broker_logins(config, mqtt, read_environment(os.environ))
    findings = examine(this_machine(logins), CHECKS)
    failed = any(finding.verdict == "fail" for _, finding in findings)
    if as_json:
        checks = [{"name": name, **asdict(finding)} for name, finding in findings]
        click.echo(redact(json.dumps({"version": __version__, "healthy": not failed, "checks": checks}, indent=2)))
    else:
        _print(findings)
    return ExitStatus.CHECK_FAILED if failed else ExitStatus.DONE


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
