"""Installation of an engine with its manifest, so that a crash or a power cut leaves one whole pair.

Two files cannot be renamed at once. So the new manifest goes beside the old one under a pending name first, then the
engine is replaced: that is the moment at which the new pair counts, because `read_engine` takes whichever of the two
manifests describes the engine's bytes. The manifest's last rename only tidies up.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from mnv2_engines.engine.manifest import decode_manifest, manifest_path, pending_manifest_path
from mnv2_engines.errors import BuildError, CorruptEngineError, PlaceClosedError, PlaceFailedError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.durable import locked_folder, replace, write_file
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular, require_replaceable

__all__ = ["install_engine", "refuse_foreign_files"]

_UNCHANGED: Final = "what was there is unchanged"
_ELSEWHERE: Final = "choose another place with `--output FILE.tflite`"
_ABANDONED_S: Final = 3600.0
"""A staging folder is needed for seconds; one that old belongs to a build that was killed."""


def refuse_foreign_files(output: Path) -> None:
    """Raise BuildError when the manifest's place is taken by a JSON file that is not a manifest, labels say."""
    beside = manifest_path(output)
    try:
        manifest = decode_manifest(read_regular(beside, SETTINGS_LIMIT), beside)
    except (OSError, CorruptEngineError):  # nothing there, or a manifest that is to be replaced because it is damaged
        return
    if manifest is None:
        raise BuildError(
            f"{beside} is not a manifest and would be overwritten: rename it, or choose another place with "
            "`--output FILE.tflite`"
        )


def install_engine(
    output: Path, engine: bytes, manifest: bytes, check: Callable[[Path], object] = lambda _path: None
) -> None:
    """Write `output` and its manifest, replacing a pair that is there.

    `check` is called with the engine's path in a staging folder, its manifest beside it; when it raises, nothing has
    happened. Returns when everything is on the disk. Of two at once one comes after the other. Raises BuildError, its
    kinds PlaceClosedError and PlaceFailedError too, when it cannot be written: what was there stays.
    """
    refuse_foreign_files(output)
    try:
        require_replaceable(output)
        _sweep(output)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=_staging_prefix(output)) as folder:
            staged = Path(folder) / output.name
            write_file(staged, engine)
            write_file(manifest_path(staged), manifest)
            check(staged)
            with locked_folder(output.parent):
                replace(manifest_path(staged), pending_manifest_path(output))
                replace(staged, output)
                replace(pending_manifest_path(output), manifest_path(output))
    except PermissionError as exc:
        raise PlaceClosedError(f"{output} cannot be written by this user ({exc.strerror}): {_ELSEWHERE}") from exc
    except OSError as exc:
        what = f"{output} cannot be written"
        trouble = disk_error(exc, what, f"{_UNCHANGED}; free some space, or {_ELSEWHERE}")
        if trouble is not None:
            raise PlaceFailedError(str(trouble)) from exc
        raise BuildError(f"{what} ({exc.strerror}): {_UNCHANGED}; {_ELSEWHERE}") from exc


def _sweep(output: Path) -> None:
    """Remove what builds of this engine left behind when they were killed."""
    for left in output.parent.glob(f"{_staging_prefix(output)}*"):
        with suppress(FileNotFoundError):  # another build has just ended
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def _staging_prefix(output: Path) -> str:
    return f".{output.name}.staging-"
