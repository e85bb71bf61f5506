"""Names of the common PyTorch MobileNetV2s, translated to torchvision's.

Three ways to name the same tensors are about: torchvision's of today (`features.2.conv.0.0`), the flat numbering of the
first ports and of torchvision before 0.3 (`features.2.conv.0`), and ports that keep the last convolution (`conv.0`) or
the classifier (`classifier`, `classifier.1`, `fc`) elsewhere.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.stored_tensor import StoredTensor

__all__ = ["DENSE", "find_network", "rename"]

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
