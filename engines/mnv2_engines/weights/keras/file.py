"""A file that Keras saved: the description of the model, and its weights by layer and role."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Final, TypeAlias

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.imported import StoredTensor
from mnv2_engines.weights.keras.hdf5 import Hdf5File, open_hdf5
from mnv2_engines.weights.zip_file import open_archive

__all__ = ["Json", "KerasFile", "KerasLayer", "flatten_model", "number", "open_h5", "open_keras"]

Json: TypeAlias = object
"""What json.loads returns."""

_CONTAINERS: Final = frozenset({"Functional", "Sequential", "Model"})
_FOLDERS: Final = {
    "Functional": "functional", "Sequential": "sequential", "Model": "functional", "Conv2D": "conv2d",
    "DepthwiseConv2D": "depthwise_conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense",
}  # fmt: skip
"""Class to what its folder is called in a .keras file; only classes with weights matter."""
_MAX_DEPTH: Final = 8
END_OF_FEATURES: Final = "out_relu"
"""What keras.applications calls the last layer before the head."""


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer."""

    class_name: str
    name: str
    config: Mapping[str, Json]
    folder: str
    """Where a .keras file keeps its weights, `layers/functional/layers/conv2d_3`."""
    calls: Sequence[Json]
    """What it is applied to, once for each call; empty in a Sequential."""


def flatten_model(model: Json) -> tuple[KerasLayer, ...]:
    """Return the layers of a model in the order in which they run.

    Raises ModelError when what stands behind the features is not a chain, or when the tree is not Keras'.
    """
    return tuple(_flatten(model, "", 0))


def number(value: Json, what: str) -> float:
    """Return a number of a configuration. Raises ModelError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelError(f"{what} is {value!r}: a number was expected")
    return float(value)


def _flatten(model: Json, folder: str, depth: int) -> Iterator[KerasLayer]:
    class_name, config = _class_and_config(model)
    listed = config.get("layers")
    if class_name not in _CONTAINERS or not isinstance(listed, list) or depth > _MAX_DEPTH:
        raise ModelError(f"the model is a {class_name}: expected keras.Model(inputs, outputs) or keras.Sequential")
    used: dict[str, int] = {}
    chain: str | None = None
    """The layer that the next one must read; None until the features have ended."""
    for entry in listed:
        entry_class, entry_config = _class_and_config(entry)
        name = str(entry_config.get("name", entry.get("name", "")))
        calls = entry.get("inbound_nodes")
        calls = calls if isinstance(calls, list) else []
        if chain is not None and class_name != "Sequential":
            _check_link(name, calls, chain)
        below = f"{folder}layers/{_count_up(used, _FOLDERS.get(entry_class, ''))}"
        if entry_class in _CONTAINERS:
            inner = list(_flatten(entry, f"{below}/", depth + 1))
        else:
            inner = [KerasLayer(entry_class, name, entry_config, below, calls)]
        if chain is not None or any(layer.name == END_OF_FEATURES for layer in inner):
            chain = name
        yield from inner
    ends = _references(config.get("output_layers"))
    if chain is not None and class_name != "Sequential" and ends != [chain]:
        raise ModelError(f"the model ends in {', '.join(ends) or 'nothing'}: one output behind a chain was expected")


def _class_and_config(entry: Json) -> tuple[str, Mapping[str, Json]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict):
        raise ModelError("the description of the model is not Keras': save it again with model.save('model.keras')")
    return str(entry.get("class_name")), entry["config"]


def _count_up(used: dict[str, int], folder: str) -> str:
    """Return the folder's name as Keras numbers them: dense, dense_1, dense_2."""
    count = used.get(folder, 0)
    used[folder] = count + 1
    return f"{folder}_{count}" if count else folder


def _check_link(name: str, calls: Sequence[Json], before: str) -> None:
    if len(calls) != 1 or _references(calls[0]) != [before]:
        raise ModelError(
            f"layer {name!r} does not follow {before!r} alone: a head that is a plain chain was expected; convert "
            "other models with tf2onnx"
        )


def _references(tree: Json) -> list[str]:
    """Return the layers that a call or an output names: `[name, 0, 0]` in Keras 2, a `keras_history` in Keras 3."""
    if isinstance(tree, dict):
        history = tree.get("keras_history")
        if history is not None:
            return _references(history)
        return [name for value in tree.values() for name in _references(value)]
    if isinstance(tree, list):
        if len(tree) >= 3 and isinstance(tree[0], str) and isinstance(tree[1], int) and isinstance(tree[2], int):
            return [tree[0]]
        return [name for value in tree for name in _references(value)]
    return []


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
