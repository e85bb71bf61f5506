"""A network from a Keras model on keras.applications' MobileNetV2: its input, its features, the user's head."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mnv2_engines.errors import ModelError
from mnv2_engines.networks import NetworkWeights
from mnv2_engines.networks.head import Dense
from mnv2_engines.networks.matching import parameter_shapes
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import Expected, ImportedNetwork, StoredTensor
from mnv2_engines.weights.keras.file import END_OF_FEATURES, KerasFile, KerasLayer, flatten_model, number
from mnv2_engines.weights.keras.head import read_head
from mnv2_engines.weights.keras.input import read_input
from mnv2_engines.weights.pytorch.state_dict import check_numbers, choose_network

__all__ = ["network_from_keras"]

_STEM: Final = "Conv1"
_BLOCK: Final = re.compile(r"(?:expanded_conv|block_(\d+))_(expand|depthwise|project)(_BN)?")
_NORM_ROLES: Final = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_OUTSIDE: Final = {"Conv1": "0.0", "bn_Conv1": "0.1", "Conv_1": "18.0", "Conv_1_bn": "18.1"}


def network_from_keras(file: KerasFile, expected: Expected) -> ImportedNetwork:
    """Return the network that a model is.

    Raises ModelError when its features are not keras.applications' MobileNetV2, or when its head holds what is not
    known here.
    """
    before, features, behind = _split(flatten_model(file.model))
    given = read_input(before)
    tensors, epsilon = _feature_tensors(file, features)
    head = read_head(file, behind)
    dense = [layer for layer in head if isinstance(layer, Dense)]
    if not dense:
        raise ModelError("the model has no Dense layer behind the features: build and train a head first")
    classes = dense[-1].kernel.shape[0]
    expected.check_classes(classes)
    size_hw = given.size_hw or expected.size_hw
    if expected.size_hw is not None and size_hw != expected.size_hw:
        raise ModelError(
            f"the model takes pictures of {_shown(size_hw)}, not of {_shown(expected.size_hw)}: leave --resolution out"
        )
    if size_hw is None:
        raise ModelError("the model takes pictures of any size: say which with --resolution, e.g. --resolution 224")
    stated = Expected(width=expected.width, size_hw=size_hw)
    network = choose_network({name: tensor.shape for name, tensor in tensors.items()}, stated, classes)
    arrays: dict[str, FloatArray] = {name: tensors[name].read() for name in parameter_shapes(network)}
    check_numbers(arrays | {f"head.{index}": layer.kernel for index, layer in enumerate(dense)})
    return ImportedNetwork(
        network,
        NetworkWeights(arrays, head, padding="trailing", epsilon=epsilon),
        given.preprocess,
        "Keras; pictures as the model rescales them"
        if given.rescales
        else "Keras; pictures as preprocess_input makes them",
        ()
        if given.rescales
        else ("the model does not rescale pixels itself: -1 to 1 is assumed, as preprocess_input makes them",),
    )


def _split(layers: Sequence[KerasLayer]) -> tuple[Sequence[KerasLayer], Sequence[KerasLayer], Sequence[KerasLayer]]:
    """Return the layers before, in and behind the features."""
    names = [layer.name for layer in layers]
    if _STEM not in names or END_OF_FEATURES not in names:
        raise ModelError(
            f"the model has no layers {_STEM!r} to {END_OF_FEATURES!r}: expected keras.applications.MobileNetV2 as a "
            "whole under the head; convert other models with tf2onnx"
        )
    first, last = names.index(_STEM), names.index(END_OF_FEATURES)
    before = list(layers[:first])
    if before and before[-1].name == "Conv1_pad":  # Keras 2 padded the stem in a layer of its own
        before.pop()
    return before, layers[first:last], layers[last + 1 :]


def _feature_tensors(file: KerasFile, layers: Sequence[KerasLayer]) -> tuple[Mapping[str, StoredTensor], float]:
    """Return the features' tensors by torchvision's names, in its order of axes, and the BatchNorms' epsilon."""
    tensors: dict[str, StoredTensor] = {}
    epsilons: set[float] = set()
    for layer in layers:
        place = _place(layer.name)
        if layer.config.get("data_format", "channels_last") != "channels_last":
            raise ModelError(f"layer {layer.name!r} has channels first: expected channels_last, Keras' default")
        if place is None:
            continue
        if layer.class_name == "BatchNormalization":
            epsilons.add(number(layer.config.get("epsilon"), f"epsilon of {layer.name!r}"))
            for at, (role, part) in enumerate(_NORM_ROLES.items()):
                tensors[f"{place}.{part}"] = file.weight(layer, role, at)
        else:
            axes = (2, 3, 0, 1) if layer.class_name == "DepthwiseConv2D" else (3, 2, 0, 1)
            tensors[f"{place}.weight"] = _permuted(layer.name, file.weight(layer, "kernel", 0), axes)
    if len(epsilons) != 1:
        raise ModelError(f"its BatchNorms have {len(epsilons)} different epsilons: one for all was expected")
    return tensors, epsilons.pop()


def _place(name: str) -> str | None:
    """Return what torchvision calls a layer; None for one without weights."""
    if name in _OUTSIDE:
        return f"features.{_OUTSIDE[name]}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        return None
    number_, part, norm = match.groups()
    steps = ["depthwise", "project"] if number_ is None else ["expand", "depthwise", "project"]
    if part not in steps:
        return None
    at, is_last = steps.index(part), part == "project"
    block = 1 if number_ is None else int(number_) + 1
    if is_last:
        return f"features.{block}.conv.{at + 1 if norm else at}"
    return f"features.{block}.conv.{at}.{1 if norm else 0}"


def _permuted(name: str, tensor: StoredTensor, axes: tuple[int, ...]) -> StoredTensor:
    if len(tensor.shape) != len(axes):
        raise ModelError(f"the kernel of layer {name!r} is {list(tensor.shape)}: four sizes were expected")
    return StoredTensor(tuple(tensor.shape[axis] for axis in axes), lambda: tensor.read().transpose(axes))


def _shown(size_hw: tuple[int, int] | None) -> str:
    return "any size" if size_hw is None else f"{size_hw[0]}x{size_hw[1]}"
