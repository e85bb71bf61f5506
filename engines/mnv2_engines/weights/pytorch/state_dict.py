"""A network from a PyTorch state dict: the width follows from the shapes, and a mismatch is shown."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks import MobileNetV2, NetworkWeights, classifier_head
from mnv2_engines.networks.matching import Shape, match_names, nearest, parameter_shapes
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import Expected, ImportedNetwork, StoredTensor

__all__ = [
    "DENSE",
    "TORCHVISION",
    "check_numbers",
    "choose_network",
    "find_network",
    "network_from_state_dict",
    "rename",
]

DENSE: Final = "classifier"
"""What the tensors of the only dense layer are called here: `classifier.weight` and `classifier.bias`."""
_STEM: Final = "features.0.0.weight"
_COUNTER: Final = ".num_batches_tracked"
"""How many batches a BatchNorm has seen: nothing that inference needs."""
_FLAT: Final = re.compile(r"features\.(\d+)\.conv\.(\d+)\.(\w+)")
_EXPANDING: Final = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
_FIRST: Final = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
_CLASSIFIER: Final = re.compile(r"(?:classifier|fc)(?:\.\d+)?\.(weight|bias)")


def find_network(tensors: Mapping[str, StoredTensor], part: str | None) -> Mapping[str, StoredTensor]:
    """Return the tensors of one network without what stands before `features.` in their names.

    Raises ModelError when there is none, or when there are several and `part` does not say which.
    """
    prefixes = [name.removesuffix(_STEM) for name in tensors if name == _STEM or name.endswith(f".{_STEM}")]
    if part is not None:
        prefixes = [prefix for prefix in prefixes if prefix.rstrip(".") == part.rstrip(".")]
    if not prefixes:
        first = ", ".join(list(tensors)[:3])
        raise ModelError(
            f"no MobileNetV2 {'in part ' + repr(part) + ' ' if part else ''}is there: expected a tensor {_STEM}, as "
            f"torchvision names it, and found {first}, ..."
        )
    if len(prefixes) > 1:
        choices = ", ".join(prefix.rstrip(".") or "''" for prefix in prefixes)
        raise ModelError(f"{len(prefixes)} networks are there: choose one with --part, of {choices}")
    prefix = prefixes[0]
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and not name.endswith(_COUNTER)
    }


def rename(tensors: Mapping[str, StoredTensor]) -> Mapping[str, StoredTensor]:
    """Return the tensors of features and classifier by torchvision's names; others are left out.

    Raises ModelError when there is not exactly one dense layer: what lies between several, a state dict does not say.
    """
    flat = _is_flat(tensors)
    renamed: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        if name.startswith("features."):
            renamed[_nested(name) if flat else name] = tensor
        elif name.startswith(("conv.0.", "conv.1.")):
            renamed[f"features.18.{name.removeprefix('conv.')}"] = tensor
    return {**renamed, **_classifier(tensors)}


def _is_flat(tensors: Mapping[str, StoredTensor]) -> bool:
    """Return whether blocks are numbered through; today's first block ends with the BatchNorm `conv.2`."""
    return "features.1.conv.3.weight" in tensors


def _nested(name: str) -> str:
    match = _FLAT.fullmatch(name)
    if match is None:
        return name
    block, layer, part = match.groups()
    places = _FIRST if block == "1" else _EXPANDING
    return f"features.{block}.conv.{places.get(layer, layer)}.{part}"


def _classifier(tensors: Mapping[str, StoredTensor]) -> Mapping[str, StoredTensor]:
    found = {name: match[1] for name in tensors if (match := _CLASSIFIER.fullmatch(name))}
    layers = _layers(found)
    if len(layers) != 1 or len(tensors[f"{layers[0]}.weight"].shape) != 2:
        shown = ", ".join(f"{name} {list(tensors[name].shape)}" for name in found) or "none"
        raise ModelError(
            f"one dense layer was expected behind the features, as in torchvision, and found was {shown}: what lies "
            "between several a state dict does not say; write such a network with torch.onnx.export"
        )
    return {f"{DENSE}.{part}": tensors[name] for name, part in found.items() if name.startswith(layers[0])}


def _layers(names: Iterable[str]) -> list[str]:
    return sorted({name.removesuffix(".weight") for name in names if name.endswith(".weight")})


TORCHVISION: Final = Preprocess(
    color="RGB",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    resize=ResizePolicy("center-crop", 0.875),
)
"""What torchvision's recipes do: mean .485, .456, .406 and std .229, .224, .225 of 0 to 1; 224 cut out of 256."""
_SHOWN: Final = 5


def network_from_state_dict(tensors: Mapping[str, StoredTensor], expected: Expected) -> ImportedNetwork:
    """Return the network that the tensors belong to.

    Raises ModelError when they are not MobileNetV2: it lists the first layers that differ from the nearest one.
    """
    named = rename(find_network(tensors, expected.part))
    kernel, bias = named[f"{DENSE}.weight"], named.get(f"{DENSE}.bias")
    classes = kernel.shape[0]
    expected.check_classes(classes)
    shapes = {name: tensor.shape for name, tensor in named.items() if name.startswith("features.")}
    network = choose_network(shapes, expected, classes)
    if kernel.shape[1:] != (network.feature_channels,) or (bias is not None and bias.shape != (classes,)):
        raise ModelError(f"{DENSE}.weight is {list(kernel.shape)}: expected {[classes, network.feature_channels]}")
    features = {name: named[name].read() for name in parameter_shapes(network)}
    biases = np.zeros(classes, np.float32) if bias is None else bias.read()
    head = classifier_head(kernel.read(), biases)
    check_numbers({**features, f"{DENSE}.weight": kernel.read(), f"{DENSE}.bias": biases})
    height, width = network.size_hw
    assumed = (f"weights do not tell the resolution: {height}x{width} is taken, --resolution changes it",)
    return ImportedNetwork(
        network,
        NetworkWeights(features, head),
        TORCHVISION,
        "PyTorch; pictures as torchvision prepares them",
        () if expected.size_hw else assumed,
    )


def choose_network(shapes: Mapping[str, Shape], expected: Expected, classes: int) -> MobileNetV2:
    """Return the network whose features have these shapes, by torchvision's names.

    Raises ModelError that lists the first differences, from the width that the user states or else from the nearest.
    """
    size_hw = expected.size_hw or (224, 224)
    found = match_names(shapes)
    width, head = found or nearest(shapes)
    network = MobileNetV2(width, size_hw, classes, head)
    stated = network if expected.width is None else MobileNetV2(expected.width, size_hw, classes, head)
    wanted = parameter_shapes(stated)
    tensors = [name for name in dict.fromkeys((*wanted, *shapes)) if wanted.get(name) != shapes.get(name)]
    if not tensors:
        return stated
    different = list({name.rpartition(".")[0]: name for name in reversed(tensors)}.values())[::-1]  # one for a layer
    listed = "; ".join(_difference(name, shapes.get(name), wanted.get(name)) for name in different[:_SHOWN])
    more = f"; and {len(different) - _SHOWN} more layers" if len(different) > _SHOWN else ""
    advice = f": leave --width out, the shapes are those of {width}" if found and expected.width is not None else ""
    nearest_one = "" if expected.width is not None else ", the nearest"
    raise ModelError(f"this is not a MobileNetV2 of width {stated.width}{nearest_one}: {listed}{more}{advice}")


def check_numbers(arrays: Mapping[str, FloatArray]) -> None:
    """Raise ModelError when a tensor holds what no training that went well leaves behind."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(
                f"{name} holds numbers that are not finite: the training diverged; import an earlier state"
            )
        if name.endswith("running_var") and array.min(initial=0.0) < 0.0:
            raise ModelError(f"{name} holds a negative variance: the file is damaged")


def _difference(name: str, found: Shape | None, wanted: Shape | None) -> str:
    if wanted is None:
        return f"{name} does not belong to it"
    return f"{name} is {'missing' if found is None else list(found)}, expected {list(wanted)}"
