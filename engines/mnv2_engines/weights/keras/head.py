"""A user's head, read from a Keras model: pooling, Flatten, Dense and activations, one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks.head import (
    ActivationName,
    Affine,
    Dense,
    Flatten,
    GlobalPool,
    HeadActivation,
    HeadLayer,
    Pool,
)
from mnv2_engines.weights.keras.file import Json, KerasFile, KerasLayer, number

__all__ = ["read_head"]

_TRAINING_ONLY: Final = frozenset(
    {"Dropout", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"}
)
_ACTIVATIONS: Final[Mapping[str, tuple[HeadActivation, ...]]] = {
    "linear": (),
    "relu": (HeadActivation("relu"),),
    "relu6": (HeadActivation("relu6"),),
    "sigmoid": (HeadActivation("sigmoid"),),
    "tanh": (HeadActivation("tanh"),),
    "softmax": (HeadActivation("softmax"),),
    "softplus": (HeadActivation("softplus"),),
    "softsign": (HeadActivation("softsign"),),
    "selu": (HeadActivation("selu"),),
    "elu": (HeadActivation("elu", 1.0),),
    "silu": (HeadActivation("silu"),),
    "swish": (HeadActivation("silu"),),
    "leaky_relu": (HeadActivation("leaky_relu", 0.2),),
}
"""By Keras' names."""


def read_head(file: KerasFile, layers: Sequence[KerasLayer]) -> tuple[HeadLayer, ...]:
    """Return the head that these layers are. Raises ModelError for one that is not known here."""
    return tuple(part for layer in layers for part in _read(file, layer))


def _read(file: KerasFile, layer: KerasLayer) -> Sequence[HeadLayer]:
    if layer.class_name in _TRAINING_ONLY:
        return ()
    reader = _READERS.get(layer.class_name)
    if reader is None:
        raise ModelError(
            f"layer {layer.name!r} of the head is a {layer.class_name}: expected {', '.join(_READERS)} or dropout; "
            "convert other models with tf2onnx"
        )
    return tuple(reader(file, layer))


def _dense(file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    kernel = file.weight(layer, "kernel", 0)
    if len(kernel.shape) != 2:
        raise ModelError(f"the kernel of layer {layer.name!r} is {list(kernel.shape)}: (inputs, outputs) was expected")
    bias = file.weight(layer, "bias", 1).read() if layer.config.get("use_bias", True) else None
    if bias is not None and bias.shape != kernel.shape[1:]:
        raise ModelError(f"the bias of layer {layer.name!r} is {list(bias.shape)}, its kernel {list(kernel.shape)}")
    yield Dense(kernel.read().T, bias)
    yield from _activation(layer, layer.config.get("activation"))


def _batch_norm(file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    """Fold the BatchNorm's four vectors into two: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    roles = [role for role, flag in (("gamma", "scale"), ("beta", "center")) if layer.config.get(flag, True)]
    roles += ["moving_mean", "moving_variance"]
    vectors = {role: file.weight(layer, role, at).read() for at, role in enumerate(roles)}
    mean, variance = vectors["moving_mean"], vectors["moving_variance"]
    scale = vectors.get("gamma", np.ones_like(mean)) / np.sqrt(
        variance + number(layer.config.get("epsilon"), "epsilon")
    )
    yield Affine(scale, vectors.get("beta", np.zeros_like(mean)) - mean * scale)


def _pool(_file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    window = _pair(layer, "pool_size")
    if layer.config.get("padding", "valid") != "valid":
        raise ModelError(f"layer {layer.name!r} pools with padding {layer.config.get('padding')!r}: expected 'valid'")
    strides = _pair(layer, "strides") if layer.config.get("strides") is not None else window
    yield Pool("average" if layer.class_name.startswith("Average") else "max", window, strides)


def _global_pool(_file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    kind = "average" if "Average" in layer.class_name else "max"
    yield GlobalPool("average" if kind == "average" else "max", keep_map=bool(layer.config.get("keepdims", False)))


def _flatten(_file: KerasFile, _layer: KerasLayer) -> Iterator[HeadLayer]:
    yield Flatten()


def _named_activation(_file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    yield from _activation(layer, layer.config.get("activation"))


def _relu(_file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    largest, slope = layer.config.get("max_value"), number(layer.config.get("negative_slope") or 0.0, "negative_slope")
    if (largest not in {None, 6} or layer.config.get("threshold")) or (largest is not None and slope):
        raise ModelError(
            f"layer {layer.name!r} is a ReLU with options that are not known: expected max_value 6 or none"
        )
    if slope:
        yield HeadActivation("leaky_relu", slope)
    else:
        yield HeadActivation("relu" if largest is None else "relu6")


def _sloped(_file: KerasFile, layer: KerasLayer) -> Iterator[HeadLayer]:
    name: ActivationName = "leaky_relu" if layer.class_name == "LeakyReLU" else "elu"
    slope = layer.config.get("negative_slope", layer.config.get("alpha"))
    yield HeadActivation(name, number(slope, f"the slope of layer {layer.name!r}"))


def _softmax(_file: KerasFile, _layer: KerasLayer) -> Iterator[HeadLayer]:
    yield HeadActivation("softmax")


def _activation(layer: KerasLayer, value: Json) -> Sequence[HeadLayer]:
    """Return what an `activation=` stands for; Keras writes it as a name, or as a dict that holds one."""
    if isinstance(value, dict):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    if value is None:
        return ()
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise ModelError(f"layer {layer.name!r} has the activation {value!r}: expected one of {known}")
    return _ACTIVATIONS[value]


def _pair(layer: KerasLayer, key: str) -> tuple[int, int]:
    value = layer.config.get(key)
    pair = [value, value] if isinstance(value, int) else value
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise ModelError(f"layer {layer.name!r} has {key} {value!r}: two sizes were expected")
    return pair[0], pair[1]


_READERS: Final[Mapping[str, Callable[[KerasFile, KerasLayer], Iterator[HeadLayer]]]] = {
    "HeadActivation": _named_activation,
    "AveragePooling2D": _pool,
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "ELU": _sloped,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_pool,
    "GlobalMaxPooling2D": _global_pool,
    "LeakyReLU": _sloped,
    "MaxPooling2D": _pool,
    "ReLU": _relu,
    "Softmax": _softmax,
}
