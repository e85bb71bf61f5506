"""QuantizeLinear and DequantizeLinear: QUANTIZE and DEQUANTIZE, whose scales the quantiser keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import DTypeName
from mnv2_engines.tflite.graph import Scales, Shape
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator, ScaleRule

__all__ = ["Dequantize", "Quantize"]


@dataclass(frozen=True, slots=True)
class Quantize(Operator):
    """Rounding to int8 with the output's scales."""

    builtin: ClassVar[str] = "QUANTIZE"
    rule: ClassVar[ScaleRule] = ScaleRule.OWN
    output_dtype: ClassVar[DTypeName] = "int8"

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Keep the shape."""
        return (shapes[0],)

    def options(self, schema: ModuleType) -> object:
        """Fill QuantizeOptions."""
        return schema.QuantizeOptionsT()

    def version(self, *, quantised: bool) -> int:
        """Return 1 for a float32 input, 2 for an int8 one."""
        return 2 if quantised else 1


@dataclass(frozen=True, slots=True)
class Dequantize(Operator):
    """Conversion back to float32."""

    builtin: ClassVar[str] = "DEQUANTIZE"
    rule: ClassVar[ScaleRule] = ScaleRule.OWN

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Keep the shape."""
        return (shapes[0],)

    def options(self, schema: ModuleType) -> object:
        """Fill DequantizeOptions."""
        return schema.DequantizeOptionsT()

    def version(self, *, quantised: bool) -> int:
        """Read int8 (2)."""
        del quantised
        return 2


@lowers("QuantizeLinear")
def lower_quantize(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to QUANTIZE; uint8 becomes int8 with the zero point moved by 128."""
    view = lowering.view(node, 0)
    scale = lowering.constant(node, 1).astype(np.float32).reshape(-1)
    zero_point = lowering.constant(node, 2).reshape(-1) if node.has_input(2) else np.zeros(1, np.uint8)
    if len(scale) != 1 or len(zero_point) != 1 or zero_point.dtype not in {np.dtype(np.int8), np.dtype(np.uint8)}:
        raise UnsupportedOperatorError(f"{node}: only int8 and uint8 with one scale for the whole activation compile")
    if not 0.0 < float(scale[0]) < float("inf"):
        raise ModelError(f"{node}: scale {scale[0]} makes no sense")
    shift = 128 if zero_point.dtype == np.uint8 else 0
    tensor = lowering.emit(node, Quantize(), [view.tensor])
    tensor.scales = Scales.of(float(scale[0]), int(zero_point[0]) - shift)
    return TensorView(tensor, view.order)


@lowers("DequantizeLinear")
def lower_dequantize(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to DEQUANTIZE of what a QuantizeLinear made, whose scales it must repeat."""
    view = lowering.view(node, 0)
    scales = view.tensor.scales
    scale = lowering.constant(node, 1).astype(np.float32).reshape(-1)
    if view.tensor.dtype != "int8" or scales is None or not np.array_equal(scale, scales.scale):
        raise UnsupportedOperatorError(f"{node}: expected a QuantizeLinear with the same scale in front")
    return TensorView(lowering.emit(node, Dequantize(), [view.tensor]), view.order)
