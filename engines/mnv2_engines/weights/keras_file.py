"""Open what Keras saves: the description of the model, and its weights by layer and role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from mnv2_engines.errors import BackendUnavailableError, ModelError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.archive import open_archive
from mnv2_engines.weights.keras_config import Json, KerasLayer
from mnv2_engines.weights.stored import StoredTensor

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["HDF5_START", "KerasFile", "open_h5", "open_keras"]

HDF5_START: Final = b"\x89HDF\r\n\x1a\n"
_DAMAGE: Final = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)
"""What h5py raises on a damaged file, depending on where the damage is."""
_MAX_CONFIG_BYTES: Final = 1 << 25


@dataclass(frozen=True, slots=True)
class KerasFile:
    """Hold a model's description, and find its weights; valid while the file is open."""

    model: Json
    weight: Callable[[KerasLayer, str, int], StoredTensor]
    """Return a weight by layer, role ("kernel", "gamma") and position among the layer's weights."""


@contextmanager
def open_h5(path: Path, file: IO[bytes]) -> Iterator[KerasFile]:
    """Open a whole model in HDF5, as Keras 2 and 3 write it. Raises ModelError."""
    with _open_hdf5(path, file) as opened:
        description = opened.attrs.get("model_config")
        if description is None:
            raise ModelError(f"{path} holds weights without their model: {_ADVICE}")
        groups = _group(path, opened, "model_weights")
        places: dict[str, str] = {}
        for group_name in groups:
            for raw in _group(path, groups, group_name).attrs.get("weight_names", ()):
                full = raw.decode() if isinstance(raw, bytes) else str(raw)
                places["/".join(full.removesuffix(":0").split("/")[-2:])] = f"{group_name}/{full}"

        def weight(layer: KerasLayer, role: str, _position: int) -> StoredTensor:
            old = f"{layer.name}/{layer.class_name.removesuffix('Conv2D').lower()}_{role}"  # depthwise_kernel, Keras 2
            place = places.get(f"{layer.name}/{role}", places.get(old))
            if place is None:
                raise ModelError(f"{path} lacks the {role} of layer {layer.name!r}: {_ADVICE}")
            return _stored(path, groups, place)

        yield KerasFile(_parse(path, description), weight)


@contextmanager
def open_keras(path: Path, file: IO[bytes]) -> Iterator[KerasFile]:
    """Open a .keras archive: config.json, and model.weights.h5 with a folder for each layer. Raises ModelError."""
    with open_archive(path, file) as archive:
        if archive.size("config.json") > _MAX_CONFIG_BYTES:
            raise ModelError(
                f"{path} describes its model in {archive.size('config.json')} bytes: that is no Keras model"
            )
        model = _parse(path, archive.read("config.json"))
        weights = BytesIO(archive.read("model.weights.h5"))
    with _open_hdf5(path, weights) as opened:
        # Keras 2.12 called the folders of layers otherwise.
        older = "_layer_checkpoint_dependencies" if "_layer_checkpoint_dependencies" in opened else "layers"

        def weight(layer: KerasLayer, _role: str, position: int) -> StoredTensor:
            folder = layer.folder if older == "layers" else layer.folder.replace("layers/", f"{older}/")
            return _stored(path, opened, f"{folder}/vars/{position}")

        yield KerasFile(model, weight)


_ADVICE: Final = "save the whole model, model.save('model.keras'), and import that file"


@contextmanager
def _open_hdf5(path: Path, file: IO[bytes]) -> Iterator[Any]:
    h5py = _import_h5py()
    try:
        opened = h5py.File(file, "r")
    except _DAMAGE as exc:
        raise ModelError(f"{path} is cut short or damaged ({exc}): copy or save it again") from exc
    with opened:
        yield opened


def _group(path: Path, parent: Any, name: str) -> Any:  # noqa: ANN401 - h5py has no types
    try:
        return parent[name]
    except _DAMAGE as exc:
        raise ModelError(f"{path} lacks its part {name!r}: {_ADVICE}") from exc


def _stored(path: Path, parent: Any, place: str) -> StoredTensor:  # noqa: ANN401 - as above
    h5py = _import_h5py()
    try:
        dataset = parent[place]
    except _DAMAGE as exc:
        raise ModelError(f"{path} lacks the weights {place!r}: {_ADVICE}") from exc
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual or dataset.file != parent.file:
        raise ModelError(f"{path}: the weights {place!r} lie outside of the file: they are not read")

    def load() -> FloatArray:
        try:
            return np.asarray(dataset[()], np.float32)
        except _DAMAGE as exc:
            raise ModelError(f"{path}: the weights {place!r} are damaged ({exc}): copy or save it again") from exc

    return StoredTensor(tuple(int(size) for size in dataset.shape), load)


def _parse(path: Path, description: str | bytes) -> Json:
    try:
        return json.loads(description)
    except (ValueError, TypeError, RecursionError) as exc:
        raise ModelError(f"{path}: the description of the model is damaged ({exc}): save it again") from exc


def _import_h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as exc:
        raise BackendUnavailableError(
            "h5py is not importable, and Keras files need it: run `pip install h5py`"
        ) from exc
    module: ModuleType = h5py
    return module
