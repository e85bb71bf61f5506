"""Put an engine and its manifest in place together, so that a crash or a power cut leaves one whole pair.

Two files cannot be renamed at once. So the new manifest goes beside the old one under a pending name first, then the
engine is replaced: that is the moment at which the new pair counts, because `read_engine` takes whichever of the two
manifests describes the engine's bytes. The manifest's last rename only tidies up.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mnv2_engines.errors import BuildError
from mnv2_engines.manifest import manifest_path, pending_manifest_path

__all__ = ["install_engine"]


def install_engine(
    output: Path, engine: bytes, manifest: bytes, check: Callable[[Path], object] = lambda _path: None
) -> None:
    """Write `output` and its manifest, replacing a pair that is there.

    `check` is called with the engine's path in a staging folder, its manifest beside it; when it raises, nothing has
    happened. Returns when everything is on the disk. Raises BuildError when it cannot be written: what was there stays.
    """
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
            staged = Path(folder) / output.name
            _write(staged, engine)
            _write(manifest_path(staged), manifest)
            check(staged)
            _replace(manifest_path(staged), pending_manifest_path(output))
            _replace(staged, output)
            _replace(pending_manifest_path(output), manifest_path(output))
    except OSError as exc:
        raise BuildError(
            f"{output} cannot be written ({exc.strerror}): what was there is unchanged; free space or choose another "
            "place with `--output FILE.tflite`"
        ) from exc


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(source: Path, target: Path) -> None:
    """Rename, and wait until the folder is on the disk: else a power cut may undo this step and keep the next."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
