"""Signatures of what a store keeps, checked at every load.

What is signed is the archive that `engines export` writes. It is the same bytes for the same files, so it can be made
again out of a version's folder whenever somebody asks, and never has to be kept.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from mnv2_engines.errors import SignatureError
from mnv2_engines.files.durable import replace, sync_folder, write_file
from mnv2_engines.files.signing import Readable, SigningKey, TrustedKeys, Verified, read_signature, signature_path
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.folder import Store
from mnv2_engines.store.tar_file import archive_parts, is_member_name
from mnv2_engines.store.version import SOURCE, Version

__all__ = ["SIGNATURE", "comment_of", "require_signature", "sign_stored", "verify_folder"]

SIGNATURE: Final = "engine.minisig"
"""The signature's name in a version's folder; no archive may hold such a file."""
_LEGACY_BYTES: Final = 256 << 20
"""A signature that is not prehashed takes all that is signed into memory at once."""
_TOO_LONG: Final = (
    f"a signature that is not prehashed covers {_LEGACY_BYTES >> 20} MiB at most: sign it again without `minisign -l`"
)


def require_signature(version: Version, keys: TrustedKeys) -> Verified:
    """Check that a trusted key has signed all of a stored version: engine, manifest, network and recipe.

    Nothing of it is parsed. Raises SignatureError when there is no such signature; the version must be pinned.
    """
    name = version.name
    try:
        raw = read_signature(version.folder / SIGNATURE)
    except FileNotFoundError as exc:
        raise SignatureError(
            f"{name} is not signed, and the configuration has require_signed: `mnv2-edge engines import --trust "
            f"{keys.file} FILE.mnv2`, or `mnv2-edge engines sign {name} KEY` for one that was built here"
        ) from exc
    except OSError as exc:
        raise SignatureError(
            f"the signature of {name} cannot be read ({exc.strerror or exc}): import it again with "
            f"`mnv2-edge engines import --trust {keys.file} FILE.mnv2`"
        ) from exc
    return verify_folder(version.folder, raw, keys, f"the engine {name}")


def verify_folder(folder: Path, raw: bytes, keys: TrustedKeys, what: str) -> Verified:
    """Check a signature against the archive that a version's files make. Raises SignatureError."""
    with explain_store_error(folder):
        files = _files_in(folder)
        return keys.verify(raw, lambda: _Parts(archive_parts(files)), what)


def sign_stored(store: Store, name: str, key: SigningKey) -> None:
    """Sign an engine where it is, also one that never leaves this device, as TensorRT's plans.

    Raises UnknownEngineError, CorruptEngineError, SignatureError, StoreAccessError, DiskError.
    """
    with store.pinned(name) as version, explain_store_error(store.folder):
        files = _files_in(version.folder)
        signature = key.sign(_Parts(archive_parts(files)), comment_of(name, files))
        fresh = version.folder / f".{SIGNATURE}.new"
        with suppress(FileNotFoundError):
            fresh.unlink()  # of a signing that was cut short
        write_file(fresh, signature)
        replace(fresh, version.folder / SIGNATURE)
        sync_folder(version.folder)


def comment_of(name: str, files: Mapping[str, Path]) -> str:
    """Return the trusted comment: the engine's name, and the SHA-256 of the list of all its files."""
    first = next(archive_parts(files))
    return f"mnv2-edge engine {name} sums sha256:{hashlib.sha256(first).hexdigest()}"


def put_beside(file: Path, signature: bytes) -> None:
    """Write the signature of a file to where minisign puts it, whole or not at all. Raises OSError."""
    beside = signature_path(file)
    temporary = beside.with_name(f".{beside.name}.{secrets.token_hex(4)}")
    try:
        write_file(temporary, signature)
        replace(temporary, beside)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def check_archive(file: Path, stream: BinaryIO, trust: TrustedKeys) -> tuple[bytes, Verified]:
    """Return the signature beside an archive, once it is that of every byte that `stream` gives, and begin that anew.

    Raises SignatureError.
    """
    beside = signature_path(file)
    try:
        raw = read_signature(beside)
    except FileNotFoundError as exc:
        raise SignatureError(
            f"{file} is not signed: expected {beside.name} beside it; leave --trust out if you trust it all the same"
        ) from exc
    except OSError as exc:
        raise SignatureError(f"{beside} cannot be read ({exc.strerror or exc}): expected a signature file") from exc

    def whole() -> Readable:
        stream.seek(0)
        return _Limited(stream)

    verified = trust.verify(raw, whole, str(file))
    stream.seek(0)
    return raw, verified


class _Limited:
    """Reader of a file as it is, which refuses a whole that is too large for the memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if size < 0 and os.fstat(self._stream.fileno()).st_size > _LEGACY_BYTES:
            raise SignatureError(_TOO_LONG)
        return self._stream.read(size)


class _Parts:
    """Reader of pieces of bytes as one file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all that there are for -1."""
        if size < 0:
            held = bytearray(self._left)
            for part in self._parts:
                held += part
                if len(held) > _LEGACY_BYTES:
                    raise SignatureError(_TOO_LONG)
            self._left = b""
            return bytes(held)
        while not self._left:
            self._left = next(self._parts, b"")
            if not self._left:
                return b""
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def _files_in(folder: Path) -> dict[str, Path]:
    """Return every file of a version by its name in an archive, without following a link."""
    found: dict[str, Path] = {}
    for prefix, place in (("", folder), (f"{SOURCE}/", folder / SOURCE)):
        with os.scandir(place) as scanned:
            entries = list(scanned)
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if name in {SIGNATURE, f".{SIGNATURE}.new"}:
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if name == SOURCE and stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode) or not is_member_name(name):
                raise SignatureError(
                    f"{place / entry.name} is not a file of an engine: import or build the engine again"
                )
            found[name] = Path(entry.path)
    return found
