"""`mnv2-edge engines`: list, check, export, import and remove the engines in the store."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.engine_signing import keygen, open_key, sign
from mnv2_edge.cli.ui.common import json_option, print_error
from mnv2_edge.cli.ui.groups import HelpfulGroup
from mnv2_edge.cli.ui.report_file import require_free_place
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.environment import Environment, read_environment
from mnv2_edge.errors import ExitStatus, UsageError, exit_status_of
from mnv2_engines.errors import EnginesError

if TYPE_CHECKING:  # the store knows manifests, which need numpy, and `--help` does not
    from mnv2_engines.building.build import BuildProgress
    from mnv2_engines.store import Store
    from mnv2_engines.store.readiness import StoredCheck

__all__ = ["command"]

_COLORS = {
    "ok": "green",
    "built": "green",
    "unbuilt": "yellow",
    "stale": "yellow",
    "damaged": "bold red",
    "failed": "bold red",
}
_FILE = click.Path(path_type=Path, readable=False)
_threads = click.option("--threads", type=click.IntRange(1, 64), help="CPU threads for a build. [default: all cores]")


@click.group(
    cls=HelpfulGroup,
    epilog="""\b
Examples:
  mnv2-edge engines list
  mnv2-edge engines default birds              what `mnv2-edge run` runs
  mnv2-edge engines rebuild --stale            after an upgrade
  mnv2-edge engines export birds birds.mnv2    then, on another board:
  mnv2-edge engines import birds.mnv2
  mnv2-edge engines export birds birds.mnv2 --sign my.key

\b
Engines are in $MNV2_EDGE_HOME/engines, by default ~/.local/share/mnv2-edge/engines.
docs/engines.md tells more.
""",
)
def command() -> None:
    """List, check, export, import and remove stored engines.

    `mnv2-edge build-engine` puts them there, `mnv2-edge run --model NAME` runs them.
    """


@command.command("list")
@json_option
def list_engines(*, as_json: bool) -> None:
    """List the engines; a star marks the default."""
    from mnv2_edge.cli.text.engines import entry_json, entry_row, list_columns
    from mnv2_engines.store.listing import list_stored

    store = _open_store()
    entries = list_stored(store)
    if as_json:
        click.echo(json.dumps([entry_json(entry) for entry in entries], indent=2))
    elif entries:
        print_table(list_columns(), [entry_row(entry) for entry in entries], colors=_COLORS)
    else:
        click.echo(_empty(store), err=True)


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show all that is known about an engine."""
    from mnv2_edge.cli.text.engines import describe, details_json
    from mnv2_engines.store.listing import describe_stored

    entry = describe_stored(_open_store(), name)
    click.echo(json.dumps(details_json(entry), indent=2) if as_json else describe(entry))


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def verify(names: Sequence[str], *, as_json: bool) -> int:
    """Hash engines and repeat their self-test.

    What they were built from is hashed too. All of them when none is named. Exit status 1 when one fails.
    """
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_engines.store.readiness import verify_stored

    store = _open_store()
    checks = []
    with show_progress() as progress:
        chosen = names or store.names()
        for done, name in enumerate(chosen):
            progress("engines", done, len(chosen))
            checks.append(verify_stored(store, name))
    if as_json:
        click.echo(json.dumps([{"name": c.name, "state": c.state, "why": c.why} for c in checks], indent=2))
    elif not checks:
        click.echo(_empty(store), err=True)
    else:
        print_table(("name", "state", "why"), [(c.name, c.state, c.why) for c in checks], colors=_COLORS)
    return ExitStatus.DONE if all(check.state == "ok" for check in checks) else ExitStatus.CHECK_FAILED


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--stale", is_flag=True, help="All engines that no longer pass here, and those that are not built yet.")
@_threads
def rebuild(names: Sequence[str], *, stale: bool, threads: int | None) -> int:
    """Build engines again from what was kept with them.

    An engine goes on running until the new one is verified, and stays when that fails.
    """
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_edge.host.memory import return_memory_early

    if bool(names) == stale:
        raise UsageError("expected either names of engines or --stale, as in mnv2-edge engines rebuild --stale")
    environment = read_environment(os.environ)
    store = _open_store(environment)
    return_memory_early()
    lost: Sequence[StoredCheck] = ()
    if stale:
        with show_progress() as progress:
            names, lost = _find_stale(store, progress)
        if not names and not lost:
            click.echo("every engine passes: there is nothing to build", err=True)
    statuses = [_rebuild(store, name, threads or _cores(), environment) for name in names]
    for check in lost:
        print_error(f"{check.name} cannot be built again: {check.why}")
        statuses.append(ExitStatus.CHECK_FAILED)
    return next((status for status in statuses if status != ExitStatus.DONE), ExitStatus.DONE)


@command.command()
@click.argument("name")
@click.argument("file", type=_FILE, metavar="FILE.mnv2")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--sign", "key", type=_FILE, metavar="KEY", help="Sign it with this secret key: FILE.mnv2.minisig.")
def export(name: str, file: Path, *, force: bool, key: Path | None) -> None:
    """Write an engine, and what it was built from, to one file.

    The file is a plain tar archive with SHA256SUMS in front. It holds pictures that the engine was built with, unless
    that was done with --private; only its owner may read it.
    """
    from mnv2_engines.store.archive import export_engine

    require_free_place(file)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already: choose another name, or write over it with --force")
    signing = None if key is None else open_key(key)
    export_engine(_open_store(), name, file, signing)
    trust = "" if signing is None else " --trust KEYS"
    click.echo(
        f"{file}: {file.stat().st_size / 1e6:.1f} MB; on another device: mnv2-edge engines import {file.name}{trust}"
    )
    if signing is None:
        click.echo(f"{file} is not signed: nothing in it proves who made it (--sign KEY)", err=True)
    else:
        click.echo(f"{file}.minisig: signed by the key {signing.key_id}; it has to stay beside {file.name}")


@command.command("import")
@click.argument("file", type=_FILE, metavar="FILE.mnv2")
@click.option("--build", is_flag=True, help="Build it at once when it does not run here as it is.")
@click.option("--trust", "keys", type=_FILE, metavar="KEYS", help="Refuse it unless one of these keys has signed it.")
@_threads
def import_file(file: Path, *, build: bool, keys: Path | None, threads: int | None) -> None:
    """Install what `export` wrote.

    With --trust the signature FILE.mnv2.minisig is checked before anything is unpacked. KEYS is a file of one or more
    public keys of minisign or `engines keygen`.

    Everything is hashed, and the engine is loaded and tested in a child process, before it takes the place of one of
    that name. A TensorRT engine has to be built on each device: `engines rebuild NAME` does it, or --build.
    """
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_edge.host.memory import return_memory_early
    from mnv2_engines.files.signing import TrustedKeys
    from mnv2_engines.store.archive import import_engine

    environment = read_environment(os.environ)
    trust = None if keys is None else TrustedKeys.read(keys)
    return_memory_early()
    with show_progress() as progress:
        imported = import_engine(
            _open_store(environment),
            file,
            progress,
            build=build,
            threads=threads or _cores(),
            cache_dir=environment.cache,
            trust=trust,
        )
    if imported.signed is not None:
        click.echo(f"{file} is signed by the key {imported.signed.key_id}: {imported.signed.comment}")
    else:
        click.echo(f"{file} was not checked for a signature: nothing proves who made it (--trust KEYS)", err=True)
    if imported.is_built:
        click.echo(f"{imported.name} is installed; run it: mnv2-edge run --model {imported.name}")
    else:
        click.echo(
            f"{imported.name} is in the store and has to be built on this device, for {imported.why}: "
            f"mnv2-edge engines rebuild {imported.name}"
        )


command.add_command(sign)
command.add_command(keygen)


@command.command()
def prune() -> None:
    """Remove what nothing uses any more.

    Versions that were replaced while they were read, rejected builds, and what killed builds left behind.
    """
    click.echo(f"{_open_store().prune() / 1e6:.1f} MB freed")


@command.command()
@click.argument("name", required=False)
def default(name: str | None) -> None:
    """Choose what runs when no engine is named; without NAME, tell it."""
    store = _open_store()
    if name is not None:
        store.set_default(name)
    click.echo(store.default() or "none")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: Sequence[str]) -> None:
    """Remove engines; a service that runs one goes on until it ends."""
    store = _open_store()
    for name in names:
        store.version(name)  # none is removed when one of them is mistyped
    for name in names:
        store.remove(name)


def _open_store(environment: Environment | None = None) -> "Store":
    from mnv2_engines.store import Store

    return Store((environment or read_environment(os.environ)).home)


def _empty(store: "Store") -> str:
    return f"{store.folder} holds no engine: make one with mnv2-edge build-engine MODEL.onnx"


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _find_stale(store: "Store", progress: "BuildProgress") -> "tuple[Sequence[str], Sequence[StoredCheck]]":
    """Return the engines that do not pass and can be built again, of which it says why, and those that cannot."""
    from mnv2_engines.store.readiness import verify_stored

    checks, names = [], store.names()
    for done, name in enumerate(names):
        progress("engines", done, len(names))
        checks.append(verify_stored(store, name))
    wrong = [check for check in checks if check.state not in {"ok", "failed"}]
    for check in wrong:
        click.echo(f"{check.name} is {check.state}: {check.why}", err=True)
    return [check.name for check in wrong], [check for check in checks if check.state == "failed"]


def _rebuild(store: "Store", name: str, threads: int, environment: Environment) -> int:
    """Rebuild one of several engines and return the status that it alone would end with."""
    from mnv2_edge.cli.text.build import summarise
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_engines.store.build import rebuild_stored

    try:
        with show_progress() as progress:
            result = rebuild_stored(store, name, progress, threads=threads, cache_dir=environment.cache)
        click.echo(summarise(result, run=name))
        result.require_installed()
    except EnginesError as exc:
        print_error(str(exc))
        return exit_status_of(exc) or ExitStatus.BUG
    return ExitStatus.DONE
