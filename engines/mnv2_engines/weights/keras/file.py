"""A file that Keras saved: the description of the model, and its weights by layer and role."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.keras.config import Json, KerasLayer
from mnv2_engines.weights.keras.hdf5 import Hdf5File, open_hdf5
from mnv2_engines.weights.stored_tensor import StoredTensor
from mnv2_engines.weights.zip_file import open_archive

__all__ = ["KerasFile", "open_h5", "open_keras"]

_MAX_CONFIG_BYTES: Final = 1 << 25
_ADVICE: Final = "save the whole model, model.save('model.keras'), and import that file"
_OLD_FOLDER: Final = "_layer_checkpoint_dependencies"
"""What Keras 2.12 called the folder `layers` of a .keras file."""


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A model's description, and access to its weights; valid while the file is open."""

    model: Json
    weight: Callable[[KerasLayer, str, int], StoredTensor]
    """Return a weight by layer, role ("kernel", "gamma") and position among the layer's weights."""


@contextmanager
def open_h5(path: Path, file: IO[bytes]) -> Iterator[KerasFile]:
    """Open a whole model in HDF5, as Keras 2 and 3 write it. Raises ModelError."""
    with open_hdf5(path, file) as opened:
        description = opened.attribute("/", "model_config")
        if not isinstance(description, str):
            raise ModelError(f"{path} holds weights without their model: {_ADVICE}")
        places = _weight_places(opened)

        def weight(layer: KerasLayer, role: str, _position: int) -> StoredTensor:
            old = f"{layer.name}/{layer.class_name.removesuffix('Conv2D').lower()}_{role}"  # depthwise_kernel, Keras 2
            place = places.get(f"{layer.name}/{role}", places.get(old))
            if place is None:
                raise ModelError(f"{path} lacks the {role} of layer {layer.name!r}: {_ADVICE}")
            return opened.tensor(place)

        yield KerasFile(_parse(path, description), weight)


def _weight_places(opened: Hdf5File) -> Mapping[str, str]:
    """Map `layer/role` to the place of a weight: each group lists its own, those of nested models with their layer."""
    places: dict[str, str] = {}
    for group in opened.names("model_weights"):
        for name in opened.attribute(f"model_weights/{group}", "weight_names") or ():
            places["/".join(name.removesuffix(":0").split("/")[-2:])] = f"model_weights/{group}/{name}"
    return places


@contextmanager
def open_keras(path: Path, file: IO[bytes]) -> Iterator[KerasFile]:
    """Open a .keras archive: config.json, and model.weights.h5 with a folder for each layer. Raises ModelError."""
    with open_archive(path, file) as archive:
        if archive.size("config.json") > _MAX_CONFIG_BYTES:
            size = archive.size("config.json")
            raise ModelError(f"{path} describes its model in {size} bytes: that is not a Keras model")
        model = _parse(path, archive.read("config.json"))
        weights = BytesIO(archive.read("model.weights.h5"))
    with open_hdf5(path, weights) as opened:
        is_old = _OLD_FOLDER in opened.names("/")

        def weight(layer: KerasLayer, _role: str, position: int) -> StoredTensor:
            folder = layer.folder.replace("layers/", f"{_OLD_FOLDER}/") if is_old else layer.folder
            return opened.tensor(f"{folder}/vars/{position}")

        yield KerasFile(model, weight)


def _parse(path: Path, description: str | bytes) -> Json:
    try:
        return json.loads(description)
    except (ValueError, TypeError, RecursionError) as exc:
        raise ModelError(f"{path}: the description of the model is damaged ({exc}): save it again") from exc
