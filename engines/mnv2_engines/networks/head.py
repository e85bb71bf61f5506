"""The head behind the features: pooling, dense layers, activations. A user's own head is a sequence of these.

A head begins with the feature map (1, channels, height, width), all values from 0 to 6, and ends with (1, classes).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mnv2_engines.tensors import FloatArray

__all__ = [
    "ActivationName",
    "Affine",
    "Dense",
    "Flatten",
    "GlobalPool",
    "HeadActivation",
    "HeadLayer",
    "Pool",
    "PoolKind",
    "classifier_head",
]

PoolKind: TypeAlias = Literal["average", "max"]
ActivationName: TypeAlias = Literal[
    "relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softmax", "softplus", "softsign", "silu"
]


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """Reduction of every channel of the feature map to one number."""

    kind: PoolKind = "average"
    keep_map: bool = False
    """Keep a map of 1x1 pixels instead of a vector."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Reduction of windows of the feature map, without padding."""

    kind: PoolKind
    window_hw: tuple[int, int]
    stride_hw: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Flatten:
    """Reshape of a map to a vector.

    Its order is height, width, channels: Keras' (TFLite has it, too), whatever the order of the axes in memory.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Product of a vector and a matrix, plus a bias."""

    kernel: FloatArray
    """(outputs, inputs), as PyTorch has it; Keras has it transposed."""
    bias: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Scale and shift of every channel: a BatchNorm in the head."""

    scale: FloatArray
    shift: FloatArray


@dataclass(frozen=True, slots=True)
class HeadActivation:
    """Function of every number; softmax is of all of them together."""

    name: ActivationName
    slope: float = 0.0
    """Of leaky_relu and elu below zero."""


HeadLayer: TypeAlias = GlobalPool | Pool | Flatten | Dense | Affine | HeadActivation


def classifier_head(kernel: FloatArray, bias: FloatArray) -> tuple[HeadLayer, ...]:
    """Return the paper's head: global average pooling and one dense layer, whose outputs are logits."""
    return GlobalPool(), Dense(kernel, bias)
