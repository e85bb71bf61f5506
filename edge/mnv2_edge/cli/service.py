"""`mnv2-edge service`: run configurations under systemd, and show their state."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.groups import HelpfulGroup
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.errors import AccessError, ExitStatus, UsageError

if TYPE_CHECKING:
    from mnv2_edge.service.paths import ServicePaths
    from mnv2_engines.store import Store

__all__ = ["command"]

_COLORS = {"active": "green", "failed": "bold red", "activating": "yellow", "inactive": "yellow"}
_FILE = click.Path(path_type=Path, readable=False)


@click.group(
    cls=HelpfulGroup,
    epilog="""\b
Examples:
  sudo deploy/install.sh                        first, once
  sudo mnv2-edge service install door.yaml      run it now and at each boot, as `door`
  mnv2-edge service status
  mnv2-edge service logs door --follow
  sudo systemctl reload mnv2-edge@door          after a change of /etc/mnv2-edge/door.yaml
  sudo mnv2-edge service uninstall door

\b
docs/operations.md explains every state and what restarts a service.
""",
)
def command() -> None:
    """Run configurations under systemd, and show their state."""


@command.command()
@click.argument("file", type=_FILE, metavar="FILE.yaml")
@click.option("--name", help="What to call it. [default: the file's name]")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def install(file: Path, name: str | None, *, dry_run: bool) -> int:
    """Run a configuration now and at each boot.

    It goes to /etc/mnv2-edge, the engine and label file that it names to /var/lib/mnv2-edge, where the engine is
    verified again; so does a model that you pulled. An engine of your store goes to the service's. Exit status 1 when
    it does not become ready.
    """
    from mnv2_edge.config.read import read_config
    from mnv2_edge.service.installation import carry_out, plan_installation, require_libraries
    from mnv2_edge.service.paths import ServicePaths, instance_name
    from mnv2_edge.service.systemd import start_and_wait

    paths = ServicePaths()
    name = instance_name(name or file.stem)
    plan = plan_installation(file, name, paths, lambda word: _find_pulled(word, paths))
    bring = None if plan.engine_file else _plan_engine(plan.engine_name, paths)
    if dry_run:
        if bring is not None:
            click.echo(f"mnv2-edge engines export {bring[1]} FILE, and import it into {paths.state}")
        for copy in plan.copies:
            click.echo(f"cp {copy.source} {copy.target}" + ("  # and verify it there" if copy.is_engine else ""))
        click.echo(f"cp {file} {plan.configuration}\nsystemctl enable --now mnv2-edge@{name}.service")
        return ExitStatus.DONE
    _require_installation(paths)
    _require_root(f"service install {file}")
    require_libraries(read_config(file))
    os.umask(0o077)
    if bring is not None:
        _bring_engine(*bring, paths, as_default=plan.engine_name is None)
    carry_out(plan, paths, _verify)
    unit = start_and_wait(name)
    click.echo(f"{name}: {unit.state}, {unit.why}")
    if unit.state != "active":
        click.echo(f"the log says why: mnv2-edge service logs {name}", err=True)
        return ExitStatus.CHECK_FAILED
    return ExitStatus.DONE


@command.command()
@click.argument("name", required=False)
def uninstall(name: str | None) -> int:
    """Stop NAME and take its configuration away.

    Without NAME take away every instance and the software; configurations, secrets and engines stay.
    """
    import shutil

    from mnv2_edge.service.paths import ServicePaths
    from mnv2_edge.service.service_user import acting_as_service
    from mnv2_edge.service.systemd import stop

    paths = ServicePaths()
    _require_root("service uninstall")
    if name is None:
        _require_installation(paths)
        os.execv(paths.installer, [str(paths.installer), "--uninstall"])  # noqa: S606 - it removes this very program
    _require_instance(paths, name)
    stop([name])
    paths.configuration(name).unlink()
    with acting_as_service():
        shutil.rmtree(paths.files(name), ignore_errors=True)
    click.echo(f"{name} is gone")
    return ExitStatus.DONE


@command.command()
@click.argument("name", required=False)
@json_option
def status(name: str | None, *, as_json: bool) -> int:
    """Show the state of NAME, or of every instance, and the reason.

    Exit status 1 when one is not active.
    """
    from mnv2_edge.redaction import redact, redact_json
    from mnv2_edge.service.paths import ServicePaths
    from mnv2_edge.service.systemd import read_state

    paths = ServicePaths()
    if name is not None:
        _require_instance(paths, name)
    names = (name,) if name else paths.instances()
    units = {one: read_state(one) for one in names}
    if as_json:
        listed = [{"name": one, **asdict(unit), "why": unit.why} for one, unit in units.items()]
        click.echo(redact_json(listed, indent=2))
    elif units:
        rows = [(one, unit.state, str(unit.restarts), redact(unit.why)) for one, unit in units.items()]
        print_table(("instance", "state", "restarts", "why"), rows, colors=_COLORS)
    else:
        click.echo("no instance is installed: sudo mnv2-edge service install FILE.yaml", err=True)
    healthy = bool(units) and all(unit.state in ("active", "reloading") for unit in units.values())
    return ExitStatus.DONE if healthy else ExitStatus.CHECK_FAILED


@command.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Follow the log.")
@click.option("--lines", "-n", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
def logs(name: str, *, follow: bool, lines: int) -> None:
    """Show the log of NAME."""
    from mnv2_edge.service.paths import instance_name, unit_of

    arguments = ["journalctl", f"--unit={unit_of(instance_name(name))}", f"--lines={lines}"]
    arguments.append("--follow" if follow else "--no-pager")
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606 - the terminal is journalctl's from here on
    except OSError as exc:
        raise AccessError(f"journalctl cannot be run ({exc.strerror}): a service needs systemd") from exc


def _plan_engine(name: str | None, paths: "ServicePaths") -> "tuple[Store, str] | None":
    from mnv2_edge.service.engines import find_engine, stores_of_installer
    from mnv2_engines.store import Store

    return find_engine(name, stores_of_installer(os.environ), Store(paths.state))


def _find_pulled(name: str, paths: "ServicePaths") -> Path | None:
    from mnv2_edge.service.engines import find_pulled, stores_of_installer
    from mnv2_engines.store import Store

    return find_pulled(name, stores_of_installer(os.environ), Store(paths.state))


def _bring_engine(source: "Store", name: str, paths: "ServicePaths", *, as_default: bool) -> None:
    """Copy an engine into the service's store; one that has to be built here is, before the instance starts."""
    from mnv2_edge.service.engines import copy_engine
    from mnv2_edge.service.systemd import systemctl
    from mnv2_engines.store import Store

    if not copy_engine(source, name, Store(paths.state), as_default=as_default):
        click.echo(f"{name} is being built on this device", err=True)
        systemctl("systemctl", "restart", "mnv2-edge-engines.service")


def _verify(engine: Path) -> None:
    """Hash an engine in its new place and run its self-test there, whatever was remembered of the old one."""
    from mnv2_engines.engine.engine import read_engine
    from mnv2_engines.proof.self_test import ensure_tested

    ensure_tested(read_engine(engine), None)


def _require_installation(paths: "ServicePaths") -> None:
    if not paths.installer.is_file():
        raise UsageError(f"{paths.software} holds no installation: sudo deploy/install.sh")


def _require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise AccessError(f"only root may do that: sudo mnv2-edge {what}")


def _require_instance(paths: "ServicePaths", name: str) -> None:
    if name not in paths.instances():
        known = ", ".join(paths.instances()) or "none"
        raise UsageError(
            f"there is no instance {name!r}: expected one of {known}; `mnv2-edge service install` makes one"
        )
