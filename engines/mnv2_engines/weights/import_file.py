"""Import of a weight file: find out what it is, read it, write MODEL.onnx and MODEL.yaml."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mnv2_engines.engine.sidecar import Channels, sidecar_path
from mnv2_engines.errors import BuildError, ContractError, ModelError, PlaceClosedError, PlaceFailedError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import MODEL_LIMIT, open_regular, require_replaceable
from mnv2_engines.networks import write_network
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.printable import printable
from mnv2_engines.weights.imported import Expected, ImportedNetwork
from mnv2_engines.weights.keras.file import open_h5, open_keras
from mnv2_engines.weights.keras.hdf5 import HDF5_START
from mnv2_engines.weights.keras.model import network_from_keras
from mnv2_engines.weights.pytorch.file import open_torch
from mnv2_engines.weights.pytorch.safetensors import open_safetensors
from mnv2_engines.weights.pytorch.state_dict import network_from_state_dict

__all__ = ["ImportRequest", "import_weights", "read_weights", "render_sidecar", "write_model"]

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


_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import, and where to."""

    source: Path
    output: Path
    """Ends in .onnx; the sidecar goes beside it."""
    expected: Expected
    replace: bool = False
    """Write over a model or a sidecar that is there."""


def import_weights(request: ImportRequest) -> ImportedNetwork:
    """Read `request.source` and write the model with its sidecar; return what was found.

    Raises ModelError when the file is damaged, holds more than tensors, or is not a MobileNetV2; ContractError when
    something is in the way; BuildError when it cannot be written. Nothing is written then.
    """
    for target in (request.output, sidecar_path(request.output)):
        if target.exists() and not request.replace:
            raise ContractError(
                f"{target} is there already: choose another name with -o, or write over it with --force"
            )
    found = read_weights(request.source, request.expected)
    model = write_network(found.network, found.weights)
    write_model(request.output, model, render_sidecar(found.preprocess, request.source.name, found.origin))
    return found


def read_weights(path: Path, expected: Expected) -> ImportedNetwork:
    """Return the network in a weight file. Raises ModelError whose message begins with the path."""
    try:
        with open_regular(path, MODEL_LIMIT) as file, _named(path):
            return _read(path, file, expected)
    except OSError as exc:
        raise ModelError(f"{path} cannot be read ({exc.strerror}): expected .pth, .safetensors, .keras or .h5") from exc


def _read(path: Path, file: IO[bytes], expected: Expected) -> ImportedNetwork:
    start = file.read(16)
    file.seek(0)
    if start.startswith(HDF5_START):
        with open_h5(path, file) as keras:
            return network_from_keras(keras, expected)
    if start.startswith(_ZIP) and _is_keras(file):
        with open_keras(path, file) as keras:
            return network_from_keras(keras, expected)
    if start.startswith((_ZIP, _PICKLE)):
        with open_torch(path, file) as tensors:
            return network_from_state_dict(tensors, expected)
    if start[8:9] == b"{":
        with open_safetensors(path, file) as tensors:
            return network_from_state_dict(tensors, expected)
    raise ModelError(f"{path} is not a weight file known here: expected .pth, .safetensors, .keras or .h5")


def _is_keras(file: IO[bytes]) -> bool:
    """Return whether a zip lists Keras' parts in its directory, which is at its end."""
    file.seek(0, 2)
    file.seek(max(0, file.tell() - (1 << 16)))
    directory = file.read()
    file.seek(0)
    return b"model.weights.h5" in directory and b"config.json" in directory


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the path before a message that does not begin with it: readers of parts do not know where these are from.

    Names out of the file are in these messages, and must not steer a terminal.
    """
    try:
        yield
    except ModelError as exc:
        message = printable(str(exc))
        raise ModelError(message if message.startswith(str(path)) else f"{path}: {message}") from exc
