"""One file of a model, from its publisher or from a mirror, and the check that it is the right one."""

import hashlib
import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias
from urllib.parse import quote

from mnv2_engines.catalogue.download import (
    DownloadRequest,
    Progress,
    RetryPolicy,
    append,
    discard,
    download,
    require_room,
)
from mnv2_engines.catalogue.entries import HashKind, RemoteFile
from mnv2_engines.catalogue.home import Pin
from mnv2_engines.errors import DownloadError, ModelError
from mnv2_engines.files.regular_file import open_regular

__all__ = ["HashPolicy", "Mirror", "ObtainedFile", "file_hash", "now", "obtain", "parse_mirror"]

_log = logging.getLogger(__name__)

Mirror: TypeAlias = Path | str
"""A folder that holds the files by their names, or an address below which they are."""

_LIMIT_BYTES: Final = 512 << 20
"""What a file of unknown size may have: no network of this family has a tenth of it."""
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """What is known about a file's hash, and how a user accepts another one."""

    file: RemoteFile
    pin: Pin | None
    accepted: str | None
    """The whole SHA-256 that the user names on the command line."""
    command: str
    """What accepts a file, without the hash."""

    @property
    def whole(self) -> str | None:
        """Return the SHA-256 that the file must have, if all of it is known."""
        if self.file.hash_kind == "whole":
            return self.file.sha256
        return self.accepted or (self.pin.sha256 if self.pin else None)

    def check(self, digest: str, size: int, source: str) -> None:
        """Raise ModelError unless a file with this hash may be used."""
        known = self.file.sha256 or ""
        if not digest.startswith(known):
            raise ModelError(
                f"{source} is not {self.file.name} as it was published: its SHA-256 starts with {digest[:12]}, "
                f"expected {known[:12]} ({size} bytes came), and nothing was installed: try again, or fetch it "
                "elsewhere and give its folder with `--mirror DIR`"
            )
        if self.whole is None or digest == self.whole:
            return
        if self.accepted is not None:
            raise ModelError(f"{source} has the SHA-256 {digest}, --accept names another: nothing was installed")
        seen = self.pin.seen[:10] if self.pin else ""
        raise ModelError(
            f"{source} is not the {self.file.name} that was first seen on {seen}: no publisher states its hash, so "
            f"another file is refused. If its publisher changed it: `{self.command} --accept {digest}`"
        )


@dataclass(frozen=True, slots=True)
class ObtainedFile:
    """A file that was checked and may be installed."""

    path: Path
    sha256: str
    size: int
    source: str
    hash_was: HashKind
    """How much of the hash was known before: a file whose hash was not is pinned once it proved to be a model."""


def parse_mirror(text: str) -> Mirror:
    """Read what `--mirror` was given."""
    return text.rstrip("/") if text.startswith(("http://", "https://")) else Path(text)


def obtain(
    trust: HashPolicy, part: Path, mirror: Mirror | None, retries: RetryPolicy, progress: Progress
) -> ObtainedFile:
    """Bring a file to `part` and check it; where it is published in several places, they are tried in turn.

    Raises DownloadError when it does not come, ModelError when another one comes, DiskError when there is no room.
    """
    if isinstance(mirror, Path):
        return _check(trust, part, str(_copy(trust.file, mirror, part, progress)))
    urls = trust.file.urls if mirror is None else (f"{mirror}/{quote(trust.file.name)}",)
    if not urls:
        raise DownloadError(
            f"no publisher of {trust.file.name} is known: put it into a folder, and give that with `--mirror DIR`"
        )
    *others, last = urls
    for url in others:
        try:
            return _fetch(trust, url, part, retries, progress)
        except (DownloadError, ModelError) as exc:  # noqa: PERF203 - there are two at most
            _log.warning("%s; the next address is tried", exc)
    return _fetch(trust, last, part, retries, progress)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open_regular(path, _LIMIT_BYTES) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def now() -> str:
    """Return the time by this machine's clock, for records."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _fetch(trust: HashPolicy, url: str, part: Path, retries: RetryPolicy, progress: Progress) -> ObtainedFile:
    size = trust.file.size
    wanted = DownloadRequest(trust.file.name, url, size, size or _LIMIT_BYTES, hash_known=trust.whole is not None)
    began_with = part.stat().st_size if part.exists() else 0
    download(wanted, part, retries, progress)
    try:
        return _check(trust, part, url)
    except ModelError:
        if not began_with:
            raise
        _log.info("%s, continued from %d bytes of before, does not fit together: it is fetched anew", url, began_with)
    download(wanted, part, retries, progress)
    return _check(trust, part, url)


def _copy(file: RemoteFile, mirror: Path, part: Path, progress: Progress) -> Path:
    source = mirror / file.name
    try:
        size = source.stat().st_size if source.is_file() else None
    except OSError as exc:
        raise DownloadError(f"the mirror {mirror} cannot be read ({exc.strerror}): expected a folder") from exc
    if size is None:
        raise DownloadError(
            f"the mirror {mirror} has no file {file.name}: put it there, or name another place with --mirror DIR or URL"
        )
    if size > _LIMIT_BYTES:
        raise ModelError(
            f"{source} has {size >> 20} MiB, expected at most {_LIMIT_BYTES >> 20}: it is not such a model"
        )
    require_room(part.parent, size)
    discard(part)
    progress(file.name, 0, size)
    with ExitStack() as stack:
        try:
            origin = stack.enter_context(open_regular(source, _LIMIT_BYTES))
        except OSError as exc:
            raise DownloadError(
                f"{source} cannot be read ({exc.strerror}): expected a mirror that this user may read"
            ) from exc
        copy = stack.enter_context(part.open("xb"))
        while chunk := _read(origin, source):
            append(copy, chunk)
            progress(file.name, copy.tell(), size)
    return source


def _read(origin: IO[bytes], source: Path) -> bytes:
    try:
        return origin.read(_CHUNK_BYTES)
    except OSError as exc:  # a stick that was pulled out, a share that went away
        raise DownloadError(f"{source} cannot be read ({exc.strerror}): is its disk or share there? Try again") from exc


def _check(trust: HashPolicy, part: Path, source: str) -> ObtainedFile:
    digest, size = file_hash(part), part.stat().st_size
    try:
        trust.check(digest, size, source)
    except ModelError:
        discard(part)
        raise
    return ObtainedFile(part, digest, size, source, trust.file.hash_kind)
