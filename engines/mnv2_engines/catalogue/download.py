"""A download into a partial file that survives a break, a kill and a restart, and continues the next time.

A part is only ever continued when the server says that it is still the same file (If-Range with a strong ETag or the
date of its last change, RFC 9110, section 13.1.5), or when the whole hash is known and will tell.
"""

import http.client
import logging
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias
from urllib.error import HTTPError

import msgspec

from mnv2_engines.catalogue.web import InterruptedDownload, connection_error, host_of, open_url
from mnv2_engines.errors import DiskError, DownloadError, ModelError
from mnv2_engines.files.checked_json import UNREADABLE
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular

__all__ = ["DownloadRequest", "Progress", "RetryPolicy", "append", "discard", "download", "require_room"]

_log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 1 << 16
_SPARE_BYTES: Final = 32 << 20
"""Left free on the disk: a full one breaks more than this download."""
_SLOWEST_BYTES_S: Final = 1024
_WORTH_A_TRY_BYTES: Final = 1 << 16
"""A try that brings as much more than any before it is not counted as a failure."""

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Be told a file's name, how many bytes are here, and of how many; None when the server does not say."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Timeouts and number of attempts of a download."""

    timeout_s: float = 20.0
    """For a connection, for each piece of data, and for the average speed to be more than 1 KiB/s."""
    tries: int = 5
    """In a row, without getting further."""
    first_wait_s: float = 1.0
    """Doubled from try to try, of which a random half is taken off."""
    longest_wait_s: float = 60.0
    """A server that asks for more (Retry-After) is not waited for."""
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What is to be fetched, and its largest accepted size."""

    name: str
    url: str
    size: int | None
    limit: int
    hash_known: bool
    """The whole hash: then a part may be continued whatever the server says about it."""


class _State(msgspec.Struct):
    """What a partial file is a part of."""

    url: str
    validator: str
    """An ETag or a date for If-Range; empty when the server gives none."""


def download(wanted: DownloadRequest, part: Path, retries: RetryPolicy, progress: Progress) -> None:
    """Bring the whole file to `part`; returns when it is on the disk. It is not checked yet.

    Raises DownloadError when it does not come, and keeps what there is for the next call; ModelError when it has
    another size than it ought to have; DiskError when there is no room for it.
    """
    failures, best = 0, 0
    while (interruption := _try(wanted, part, retries, progress)) is not None:
        reached = _size(part)
        failures = 0 if reached >= best + _WORTH_A_TRY_BYTES else failures + 1
        best = max(best, reached)
        wait_s = _wait_s(interruption, failures, retries)
        if failures >= retries.tries or wait_s > retries.longest_wait_s:
            raise DownloadError(
                f"{wanted.url} could not be fetched: {interruption}{_what_next(interruption, reached)}"
            ) from interruption
        _log.info("%s: %s; again in %.0f s", wanted.name, interruption, wait_s)
        retries.wait(wait_s)


def discard(part: Path) -> None:
    """Delete a part: the next download starts anew."""
    part.unlink(missing_ok=True)
    _state_path(part).unlink(missing_ok=True)


def require_room(folder: Path, needed: int) -> None:
    """Raise DiskError unless so many bytes fit into a folder, with some to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise DiskError(
            f"{folder} has {free >> 20} MiB free, {(needed + _SPARE_BYTES) >> 20} MiB are needed: free some space, or "
            "name another disk's folder in MNV2_EDGE_HOME"
        )


def append(file: IO[bytes], chunk: bytes) -> None:
    """Write a piece, so that it outlives this process. Raises DiskError when it does not fit."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as exc:
        trouble = disk_error(exc, f"{file.name} cannot be written")
        if trouble is None:
            raise OSError(exc.errno, exc.strerror, file.name) from exc
        raise trouble from exc


def _try(wanted: DownloadRequest, part: Path, retries: RetryPolicy, progress: Progress) -> InterruptedDownload | None:
    try:
        _continue(wanted, part, retries, progress)
    except InterruptedDownload as exc:
        return exc
    return None


def _continue(wanted: DownloadRequest, part: Path, retries: RetryPolicy, progress: Progress) -> None:
    state = _read_state(part, wanted.url)
    start = _size(part) if state is not None and (state.validator or wanted.hash_known) else 0
    headers = {}
    if state is not None and start > 0:
        headers["Range"] = f"bytes={start}-"
        if state.validator:
            headers["If-Range"] = state.validator
    try:
        response = open_url(wanted.url, headers, retries.timeout_s)
    except HTTPError as exc:  # 416: nothing is left, or it is another file by now
        with exc:
            complete = start > 0 and exc.headers.get("Content-Range", "").strip() == f"bytes */{start}"
        if complete:
            return
        discard(part)
        raise InterruptedDownload(f"{host_of(wanted.url)} has another file by now") from exc
    with response:
        if response.status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                discard(part)
                raise InterruptedDownload(f"{host_of(wanted.url)} sends another part than was asked for")
            _log.info("%s goes on at %d bytes", wanted.name, start)
        else:
            start = 0
        total = _check_answer(wanted, response, start)
        require_room(part.parent, max(0, (total or 0) - start))
        if start == 0:
            discard(part)
            _write_state(part, _State(wanted.url, _validator(response)))
        try:
            with part.open("ab") as file:
                _copy(wanted, response, file, start, total, retries, progress)
                os.fsync(file.fileno())
        except ModelError:
            discard(part)
            raise


def _check_answer(wanted: DownloadRequest, response: http.client.HTTPResponse, start: int) -> int | None:
    """Return how long the whole file is going to be, when that is said; refuse what cannot be the file."""
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise DownloadError(
            f"{host_of(response.url)} answers {wanted.url} with a web page: is a login page of this network between? "
            "Log in with a browser, or fetch the file elsewhere and give its folder with `--mirror DIR`"
        )
    total = None if response.length is None else start + response.length
    if total is None and not response.chunked and wanted.size is None and not wanted.hash_known:
        raise DownloadError(
            f"{host_of(response.url)} does not say how long {wanted.name} is, so that nothing would show whether it is "
            "whole: expected Content-Length; fetch the file elsewhere and give its folder with `--mirror DIR`"
        )
    if total is not None and (total > wanted.limit or wanted.size not in (None, total)):
        raise _odd_size(wanted, f"{total} bytes")
    return total or wanted.size


def _copy(
    wanted: DownloadRequest,
    response: http.client.HTTPResponse,
    file: IO[bytes],
    done: int,
    total: int | None,
    retries: RetryPolicy,
    progress: Progress,
) -> None:
    """Append what the server sends, up to what may be expected; a piece of it is on the disk as soon as it is here."""
    mark, mark_done = time.monotonic(), done
    while True:
        progress(wanted.name, done, total)
        try:
            chunk = response.read1(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as exc:
            raise connection_error(wanted.url, exc) from exc
        if not chunk:
            break
        done += len(chunk)
        if done > (total or wanted.limit):
            raise _odd_size(wanted, f"more than {total or wanted.limit} bytes")
        append(file, chunk)
        now = time.monotonic()
        if now - mark >= retries.timeout_s:
            if done - mark_done < _SLOWEST_BYTES_S * (now - mark):
                raise InterruptedDownload(f"{host_of(wanted.url)} sends less than 1 KiB/s")
            mark, mark_done = now, done
    if total is not None and done < total:
        raise InterruptedDownload(f"{host_of(wanted.url)} broke off after {done} of {total} bytes")


def _odd_size(wanted: DownloadRequest, sent: str) -> ModelError:
    expected = f"{wanted.size} bytes" if wanted.size is not None else f"at most {wanted.limit >> 20} MiB"
    return ModelError(
        f"{wanted.url} has {sent}, expected {expected}: it is another file; try again later, or fetch it elsewhere and "
        "give its folder with `--mirror DIR`"
    )


def _wait_s(interruption: InterruptedDownload, failures: int, retries: RetryPolicy) -> float:
    """Return what the server asks for, else a wait that doubles: many devices must not come back at once."""
    if interruption.wait_s is not None:
        return interruption.wait_s
    doubled = min(retries.first_wait_s * (1 << max(0, failures - 1)), retries.longest_wait_s)
    return doubled * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _what_next(interruption: InterruptedDownload, reached: int) -> str:
    when = "" if interruption.wait_s is None else f" in {interruption.wait_s:.0f} s"
    kept = f"; {reached} bytes are kept, and" if reached else ";"
    return f"{kept} the same command goes on{when}, or fetch it elsewhere and give its folder with `--mirror DIR`"


def _validator(response: http.client.HTTPResponse) -> str:
    """Return what If-Range may carry: a weak ETag does not promise equal bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _state_path(part: Path) -> Path:
    return part.with_name(part.name + ".state")


def _read_state(part: Path, url: str) -> _State | None:
    try:
        state = msgspec.json.decode(read_regular(_state_path(part), SETTINGS_LIMIT), type=_State)
    except (OSError, *UNREADABLE):
        return None
    return state if state.url == url else None


def _write_state(part: Path, state: _State) -> None:
    _state_path(part).write_bytes(msgspec.json.encode(state))
