"""The writer of a report as one archive that only its owner may read."""

import io
import os
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mnv2_edge import __version__
from mnv2_edge.doctor import Finding, Machine
from mnv2_edge.doctor.report.evidence import ReportPart, collect
from mnv2_edge.doctor.report.known import make_scrubber
from mnv2_edge.errors import AccessError, TemporaryError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import require_replaceable

__all__ = ["FOLDER", "write_report"]

FOLDER: Final = "mnv2-edge-report"
"""What everything in an archive lies in."""
_LEFT_OUT: Final = """Left out, or shown as ***: passwords, tokens and keys; users, paths and queries of URIs; names of
hosts and networks; addresses but those of a private network; serial numbers and ids; the options of plug-ins.
No picture is in here. Look at every file before you send it: nobody can know what a log may hold.
"""


def write_report(
    path: Path, machine: Machine, findings: Sequence[tuple[str, Finding]], variables: Mapping[str, str]
) -> tuple[ReportPart, ...]:
    """Write the archive, with mode 0600, in the place of what is there; return what is in it.

    It belongs to this user, or to who typed `sudo`. `variables` are the environment's, of which no value is written.
    Raises AccessError, DiskError or TemporaryError when the file cannot be written.
    """
    parts = collect(machine, findings, make_scrubber(machine, variables))
    parts = (ReportPart("README.txt", "what is in here, and what was left out", _read_me(parts)), *parts)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for part in parts:
            content = part.text.encode("utf-8", "replace")
            member = tarfile.TarInfo(f"{FOLDER}/{part.name}")
            member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
            archive.addfile(member, io.BytesIO(content))
    _write(path, data.getvalue(), None if machine.uid else _typed_sudo(variables))
    return parts


def _read_me(parts: Sequence[ReportPart]) -> str:
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    lines = [f"mnv2-edge {__version__}: a report of `mnv2-edge doctor`, {day}", ""]
    lines += [
        f"{part.name}: {part.what}{f' (not all of it: {part.missing})' if part.missing else ''}" for part in parts
    ]
    return "\n".join([*lines, "", _LEFT_OUT])


def _typed_sudo(variables: Mapping[str, str]) -> tuple[int, int] | None:
    """Return user and group of sudo(8)'s environment; None when it was not sudo."""
    user, group = variables.get("SUDO_UID", ""), variables.get("SUDO_GID", "")
    return (int(user), int(group)) if user.isdecimal() and group.isdecimal() else None


def _write(path: Path, data: bytes, owner: tuple[int, int] | None) -> None:
    """Write beside it first, so that nothing half is ever there, and nothing that others could have opened before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        require_replaceable(path)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if owner is not None:
                    os.fchown(descriptor, *owner)
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    except PermissionError as exc:
        raise AccessError(f"{path} cannot be written ({exc.strerror}): choose a folder of your own") from exc
    except OSError as exc:
        trouble = disk_error(exc, f"{path} cannot be written")
        if trouble is not None:
            raise trouble from exc
        raise TemporaryError(f"{path} cannot be written ({exc.strerror}): choose another folder") from exc
