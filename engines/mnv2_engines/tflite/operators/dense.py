"""Gemm and MatMul with constant weights: FULLY_CONNECTED."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.graph import Scales, Shape, Tensor
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Weighted

__all__ = ["FullyConnected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnected(Weighted):
    """Product of the last axis and weights [out, in], plus the bias."""

    builtin: ClassVar[str] = "FULLY_CONNECTED"
    channel_axis: ClassVar[int] = 0

    keep_axes: bool = False
    """False: all axes but the last become one."""

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Replace the last axis."""
        data, (outputs, inputs) = shapes[0], shapes[1]
        if not data or data[-1] != inputs:
            raise ValueError(f"shape {list(data)} does not fit weights of {inputs} inputs")
        return ((*data[:-1], outputs) if self.keep_axes else (prod(data[:-1]), outputs),)

    def options(self, schema: ModuleType) -> object:
        """Fill FullyConnectedOptions."""
        table = schema.FullyConnectedOptionsT()
        table.keepNumDims = self.keep_axes
        table.fusedActivationFunction = self.activation.value
        return table

    def version(self, *, quantised: bool) -> int:
        """Ask for int8 (4) or for kept axes (5)."""
        if self.keep_axes:
            return 5
        return 4 if quantised else 1


@lowers("Gemm")
def lower_gemm(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower ``alpha * A @ B + beta * C`` with constant B and C."""
    if node.integer("transA", 0):
        raise UnsupportedOperatorError(f"{node}: transA=1 does not compile; export with the weights on the right side")
    weights = _matrix(node, lowering)
    rows = weights if node.integer("transB", 0) else weights.T
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    bias: TensorArray = np.zeros(len(rows), np.float32)
    if node.has_input(2):
        try:
            bias = np.broadcast_to(np.float32(beta) * lowering.constant(node, 2), (1, len(rows)))[0]
        except ValueError as exc:
            raise ModelError(
                f"{node}: bias of shape {list(lowering.constant(node, 2).shape)} does not fit {len(rows)} outputs"
            ) from exc
    data = lowering.plain(node)
    if len(data.shape) != 2:
        raise ModelError(f"{node}: input has shape {list(data.shape)}, expected a matrix")
    scaled = rows if alpha == 1.0 else rows * np.float32(alpha)
    return _emit(node, lowering, data, scaled, bias, kept_axis=0 if node.integer("transB", 0) else 1, keep=alpha == 1.0)


@lowers("MatMul")
def lower_matmul(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower ``A @ B`` with a constant matrix B."""
    weights = _matrix(node, lowering)
    return _emit(
        node, lowering, lowering.plain(node), weights.T, np.zeros(weights.shape[1], np.float32), kept_axis=1, keep=True
    )


def _matrix(node: OnnxNode, lowering: Lowering) -> TensorArray:
    if not lowering.is_constant(node, 1):
        raise UnsupportedOperatorError(f"{node}: the right side depends on the picture; only constant weights compile")
    weights = lowering.constant(node, 1)
    if weights.ndim != 2:
        raise UnsupportedOperatorError(f"{node}: weights have shape {list(weights.shape)}, only a matrix compiles")
    return weights


def _emit(
    node: OnnxNode,
    lowering: Lowering,
    data: Tensor,
    rows: TensorArray,
    bias: TensorArray,
    *,
    kept_axis: int,
    keep: bool,
) -> TensorView:
    weights = lowering.add_constant(node.inputs[1], rows)
    scales = lowering.kept_scales.get(node.inputs[1])
    if keep and scales is not None and (len(scales.scale) == 1 or scales.axis == kept_axis):
        weights.scales = Scales(scales.scale, scales.zero_point, 0)
    operator = FullyConnected(keep_axes=len(data.shape) != 2)
    return TensorView.plain(
        lowering.emit(node, operator, [data, weights, lowering.add_constant(f"{node.name}/bias", bias)])
    )
