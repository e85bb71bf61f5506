"""`mnv2-edge engines sign` and `keygen`: say who made an engine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge.environment import read_environment
from mnv2_edge.errors import AccessError, UsageError
from mnv2_edge.redaction import add_secret

if TYPE_CHECKING:  # `--help` does without
    from mnv2_engines.files.signing import SigningKey

__all__ = ["keygen", "open_key", "sign"]

_FILE = click.Path(path_type=Path, dir_okay=True)


@click.command()
@click.argument("name")
@click.argument("key", type=_FILE, metavar="KEY")
def sign(name: str, key: Path) -> None:
    """Sign an engine of the store where it is.

    For one that was built on this device, where the configuration has `require_signed: true`.
    """
    from mnv2_engines.store import Store
    from mnv2_engines.store.signatures import sign_stored

    signing = open_key(key)
    sign_stored(Store(read_environment(os.environ).home), name, signing)
    click.echo(f"{name} is signed by the key {signing.key_id}")


@click.command()
@click.argument("file", type=_FILE)
@click.option("--no-password", is_flag=True, help="Let whoever can read FILE sign with it.")
def keygen(file: Path, *, no_password: bool) -> None:
    """Make a key to sign engines with: FILE stays with you, FILE.pub goes to the devices.

    Both are minisign's. MNV2_EDGE_SIGNING_PASSWORD is the password when it is set; else it is asked for.
    """
    from mnv2_engines.files.signing import make_key

    public = file.with_name(f"{file.name}.pub")
    for place in (file, public):
        if place.exists() or place.is_symlink():
            raise UsageError(f"{place} is there already: choose another name, for a key is never written over")
    password = "" if no_password else _ask_password(file, new=True)
    if not password and not no_password:
        raise UsageError("the password is empty: expected one, or --no-password")
    try:
        line = make_key(file, password)
    except OSError as exc:
        if isinstance(exc, PermissionError):
            raise AccessError(f"{exc.filename or file} may not be written by this user: choose another place") from exc
        raise UsageError(f"{exc.filename or file} cannot be written ({exc.strerror}): choose another place") from exc
    click.echo(f"{file}: the secret key; keep it, and keep it to yourself")
    click.echo(f"{public}: the public key, for `mnv2-edge engines import --trust` and `trusted_keys`:\n{line}")


def open_key(file: Path) -> "SigningKey":
    """Read a secret key, and ask for its password when it has one. Raises UsageError, SignatureError."""
    from mnv2_engines.files.signing import SigningKey

    return SigningKey.read(file, lambda: _ask_password(file, new=False))


def _ask_password(file: Path, *, new: bool) -> str:
    """Return a key's password: the environment's, else what is typed. Raises UsageError where nobody can type."""
    password = os.environ.get("MNV2_EDGE_SIGNING_PASSWORD", "")
    if not password:
        if not sys.stdin.isatty():
            way = ", or --no-password" if new else ""
            raise UsageError(f"{file} needs a password and nobody can type it: set MNV2_EDGE_SIGNING_PASSWORD{way}")
        password = str(click.prompt("Password of the key", hide_input=True, confirmation_prompt=new, err=True))
    add_secret(password)
    return password
