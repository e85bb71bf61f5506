"""The operators: each with its TFLite description and the lowering of the ONNX operators that become it.

Importing this package fills the registry (`LOWERINGS`); docs/add-an-operator.md walks through adding one.
"""

from mnv2_engines.tflite.operators import (
    activations,
    argmax,
    arithmetic,
    convolution,
    dense,
    joining,
    pooling,
    quantization,
    resizing,
    shaping,
)
from mnv2_engines.tflite.operators import convolution as normalization

__all__ = [
    "activations",
    "argmax",
    "arithmetic",
    "convolution",
    "dense",
    "joining",
    "normalization",
    "pooling",
    "quantization",
    "resizing",
    "shaping",
]
