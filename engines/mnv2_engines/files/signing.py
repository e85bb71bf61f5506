"""Sign files and check signatures in minisign's formats: Ed25519, keys and signatures that `minisign` reads and writes.

The library behind it is py-minisign, which comes with the extra `sign`.
"""

import base64
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from mnv2_engines.errors import BackendUnavailableError, SignatureError
from mnv2_engines.files.durable import write_file
from mnv2_engines.files.regular_file import require_regular
from mnv2_engines.printable import printable

__all__ = ["Readable", "SigningKey", "TrustedKeys", "Verified", "make_key", "read_signature", "signature_path"]

_KEYS_BYTES: Final = 1 << 16
_SIGNATURE_BYTES: Final = 1 << 14
"""minisign's own limit of a trusted comment is 8 KiB."""
_COMMENT: Final = "untrusted comment:"


class Readable(Protocol):
    """What is signed: anything that is read from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all of them for -1, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that was checked."""

    key_id: str
    """As minisign prints it: 16 hexadecimal digits."""
    comment: str
    """What the signer wrote, covered by the signature; printable."""


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys in one file: as many `minisign.pub` as one likes, one after the other; # begins a remark."""

    file: Path
    keys: tuple[Any, ...]

    @classmethod
    def read(cls, file: Path) -> "TrustedKeys":
        """Read them; a key that was taken out of the file is not trusted from then on.

        Raises SignatureError for a file that cannot be read or holds no key, BackendUnavailableError.
        """
        minisign = _import_minisign()
        try:
            text = _read(file, _KEYS_BYTES).decode("ascii")
        except OSError as exc:
            raise SignatureError(f"{file} cannot be read ({exc.strerror or exc}): {_EXPECTED_KEYS}") from exc
        except UnicodeDecodeError as exc:
            raise SignatureError(f"{file} is not text: {_EXPECTED_KEYS}") from exc
        keys = []
        for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
            if not line or line.startswith(("#", _COMMENT)):
                continue
            try:
                keys.append(minisign.PublicKey.from_base64(line))
            except minisign.Error as exc:
                raise SignatureError(f"{file}, line {number}, is not a public key ({exc}): {_EXPECTED_KEYS}") from exc
        if not keys:
            raise SignatureError(f"{file} holds no key: {_EXPECTED_KEYS}")
        return cls(file, tuple(keys))

    def verify(self, raw: bytes, open_signed: Callable[[], Readable], what: str) -> Verified:
        """Check a signature of what `open_signed` gives, which is opened once for each key of that id.

        `what` names it in messages. Raises SignatureError unless a trusted key has signed exactly that.
        """
        minisign = _import_minisign()
        try:
            signature = minisign.Signature.from_bytes(raw)
        except minisign.Error as exc:
            raise SignatureError(
                f"the signature of {what} cannot be read ({exc}): ask who sent it for another"
            ) from exc
        name = _key_id(bytes(signature))
        fitting = [key for key in self.keys if _key_id(bytes(key)) == name]
        if not fitting:
            raise SignatureError(
                f"{what} is signed by the key {name}, which is not in {self.file}: expected one of "
                f"{', '.join(_key_id(bytes(key)) for key in self.keys)}; add it if you trust it"
            )
        for key in fitting:
            try:
                key.verify(open_signed(), signature)
            except SignatureError:  # what is read may refuse to be
                raise
            except (minisign.Error, ValueError):  # ValueError: bytes that are not a point of the curve
                continue
            return Verified(name, printable(signature.trusted_comment))
        raise SignatureError(f"{what} is not what the key {name} has signed: fetch it and its signature again")


class SigningKey:
    """A secret key, open for signing."""

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - py-minisign declares no types
        self._key = key

    @classmethod
    def read(cls, file: Path, ask_password: Callable[[], str]) -> "SigningKey":
        """Read one, with its password when it has one. Raises SignatureError, BackendUnavailableError."""
        minisign = _import_minisign()
        try:
            key = minisign.SecretKey.from_bytes(_read(file, _KEYS_BYTES))
            if key.is_encrypted():
                key.decrypt(ask_password())
        except OSError as exc:
            raise SignatureError(f"{file} cannot be read ({exc.strerror or exc}): {_EXPECTED_PRIVATE}") from exc
        except MemoryError as exc:
            raise SignatureError(
                f"{file} takes more memory to open than there is (minisign's own keys: 1 GiB): sign on a larger "
                "machine, or make a key with `mnv2-edge engines keygen FILE`"
            ) from exc
        except minisign.Error as exc:
            raise SignatureError(f"{file} cannot be opened ({exc}): {_EXPECTED_PRIVATE}") from exc
        return cls(key)

    def sign(self, data: Readable, comment: str) -> bytes:
        """Return the signature file of some bytes, prehashed as minisign does it; `comment` is covered by it."""
        return bytes(self._key.sign(data, prehash=True, trusted_comment=comment)) + b"\n"

    @property
    def key_id(self) -> str:
        """Return what minisign calls the key."""
        return _key_id(bytes(self._key.get_public_key()))


def make_key(file: Path, password: str) -> str:
    """Write a new secret key to `file` and its public key to FILE.pub, and return the public one as one line.

    Without a password whoever reads the file can sign. Raises FileExistsError and other OSErrors,
    BackendUnavailableError.
    """
    minisign = _import_minisign()
    pair = minisign.KeyPair.generate()
    public = bytes(pair.public_key)
    if password:
        pair.secret_key.encrypt(password)
    _write_secret(file, bytes(pair.secret_key) + b"\n")
    write_file(file.with_name(f"{file.name}.pub"), public + b"\n")
    return public.decode("ascii").splitlines()[-1]


def signature_path(file: Path) -> Path:
    """Return where minisign puts the signature of a file."""
    return file.with_name(f"{file.name}.minisig")


def read_signature(path: Path) -> bytes:
    """Return the bytes of a signature file: a plain file, no link. Raises OSError, FileNotFoundError among them."""
    return _read(path, _SIGNATURE_BYTES, os.O_NOFOLLOW)


_EXPECTED_KEYS: Final = "expected public keys as `mnv2-edge engines keygen` and minisign write them (FILE.pub)"
_EXPECTED_PRIVATE: Final = "expected a secret key of `mnv2-edge engines keygen` or minisign, and its password"


def _read(path: Path, limit: int, flags: int = 0) -> bytes:
    """Return the content of a small regular file; a pipe or a device would keep its reader waiting."""
    require_regular(path)  # before opening, which may have an effect on a device
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "not a plain file", str(path))
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise OSError(None, f"more than {limit} bytes", str(path))
    return raw


def _write_secret(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)


def _key_id(file: bytes) -> str:
    """Return the id in a public key or a signature: bytes 2 to 10 of its second line, the last first."""
    return base64.b64decode(file.splitlines()[1])[2:10][::-1].hex().upper()


def _import_minisign() -> ModuleType:
    try:
        import minisign
    except ImportError as exc:
        raise BackendUnavailableError(
            "py-minisign is not importable, and signatures need it: run `pip install 'mnv2-edge[sign]'`"
        ) from exc
    if not hasattr(minisign, "TRUSTED_COMMENT_MAX_LEN"):
        raise BackendUnavailableError(
            "the module minisign is another package's, and signatures need py-minisign: run `pip uninstall minisign` "
            "and `pip install 'mnv2-edge[sign]'`"
        )
    module: ModuleType = minisign
    return module
