"""The writer of an imported model and its sidecar; a crash leaves whole files."""

import os
import tempfile
from pathlib import Path
from typing import Final

from mnv2_engines.engine.sidecar import Channels, sidecar_path
from mnv2_engines.errors import BuildError, PlaceClosedError, PlaceFailedError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import require_replaceable
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = ["render_sidecar", "write_model"]

_ELSEWHERE: Final = "choose another place with `-o FILE.onnx`"


def render_sidecar(preprocess: Preprocess, source: str, origin: str) -> str:
    """Return the YAML that `read_sidecar` reads: what the network expects, and why that is assumed."""
    return f"""\
# Written by `mnv2-edge import-weights` from {source}: {origin}.
# Change what your training did otherwise; `mnv2-edge build-engine` reads this file, and its flags win.
task: classify
# labels: labels.txt
preprocess:
  color: {preprocess.color}
  mean: {_channels(preprocess.mean)}
  std: {_channels(preprocess.std)}
  resize: {preprocess.resize}
"""


def write_model(output: Path, model: bytes, sidecar: str) -> None:
    """Put both in place, the sidecar first: a model never lies there without what it expects.

    Returns when both are on the disk. Raises BuildError, its kinds PlaceClosedError and PlaceFailedError too,
    when they cannot be written.
    """
    try:
        require_replaceable(output)
        require_replaceable(sidecar_path(output))
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
            staged = Path(folder)
            _write(staged / "sidecar", sidecar.encode())
            _write(staged / "model", model)
            (staged / "sidecar").replace(sidecar_path(output))
            _sync_folder(output.parent)
            (staged / "model").replace(output)
            _sync_folder(output.parent)
    except PermissionError as exc:
        raise PlaceClosedError(f"{output} cannot be written by this user ({exc.strerror}): {_ELSEWHERE}") from exc
    except OSError as exc:
        what = f"{output} cannot be written"
        trouble = disk_error(exc, what, f"free some space, or {_ELSEWHERE}")
        if trouble is not None:
            raise PlaceFailedError(str(trouble)) from exc
        raise BuildError(f"{what} ({exc.strerror}): {_ELSEWHERE}") from exc


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _channels(values: Channels) -> str:
    return f"{values[0]:.9g}" if len(set(values)) == 1 else f"[{', '.join(f'{value:.9g}' for value in values)}]"
