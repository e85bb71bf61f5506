"""The int8 graph, built from the float one once every activation has its scales."""

from collections.abc import Iterable, Mapping

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operator import ScaleRule, Weighted
from mnv2_engines.tflite.operators.activations import LeakyRelu
from mnv2_engines.tflite.operators.arithmetic import Mul
from mnv2_engines.tflite.operators.quantization import Dequantize, Quantize
from mnv2_engines.tflite.quantiser.calibration import Moments
from mnv2_engines.tflite.quantiser.ranges import activation_scales, constant_scales, representable, saturates
from mnv2_engines.tflite.quantiser.weights import expected_shift, quantise_weights
from mnv2_engines.tflite.quantiser.xnnpack_limits import LEAST_LEAK, MAX_RATIO

__all__ = ["rewrite"]


def rewrite(
    graph: Graph,
    float_nodes: frozenset[Node],
    scales: Mapping[Tensor, Scales],
    means: Mapping[str, Moments],
    *,
    bias_correction: bool,
) -> Graph:
    """Return the int8 graph; nodes of `float_nodes` stay in float, and conversions appear where the two meet.

    `means` are the channel means of each activation, for the bias correction. Raises ModelError.
    """
    return _Rewriter(graph, float_nodes, scales, means if bias_correction else {}).rewrite()


class _Rewriter:
    """For each float activation, its int8 and its float32 counterpart in the new graph."""

    def __init__(
        self, graph: Graph, float_nodes: frozenset[Node], scales: Mapping[Tensor, Scales], means: Mapping[str, Moments]
    ) -> None:
        self._graph = graph
        self._float_nodes = float_nodes
        self._scales = scales
        self._means = means
        self._nodes: list[Node] = []
        self._integers: dict[Tensor, Tensor] = {}
        self._reals: dict[Tensor, Tensor] = {}

    def rewrite(self) -> Graph:
        inputs = [self._make(tensor) for tensor in self._graph.inputs]
        for node in self._graph.nodes:
            if node in self._float_nodes or node.operator.rule is ScaleRule.FLOAT:
                self._append(node, [self._real(tensor, node) for tensor in node.inputs], node.outputs)
                self._reals.update({tensor: tensor for tensor in node.outputs})
            elif isinstance(node.operator, Weighted):
                self._weighted(node, node.operator)
            elif isinstance(node.operator, Quantize):
                self._rescale(node, self._integer(node.inputs[0], node), self._make(node.output))
            elif isinstance(node.operator, LeakyRelu):
                self._leak(node, node.operator.slope)
            elif node.operator.rule is ScaleRule.CLAMP:
                self._clamp(node)
            elif node.operator.rule is ScaleRule.SHARED:
                self._shared(node)
            elif node.operator.rule is ScaleRule.INDEX:
                self._append(node, [self._native(tensor) for tensor in node.inputs], node.outputs)
            else:
                outputs = [self._make(tensor) for tensor in node.outputs]
                self._append(node, [self._operand(tensor, node) for tensor in node.inputs], outputs)
        return Graph(inputs, [self._native(tensor) for tensor in self._graph.outputs], self._nodes)

    def _append(self, node: Node, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
        self._nodes.append(Node(node.operator, list(inputs), list(outputs), node.origin))

    def _make(self, tensor: Tensor) -> Tensor:
        """Make the int8 activation that stands for a float one."""
        self._integers[tensor] = Tensor(tensor.name, tensor.shape, "int8", scales=self._scales[tensor])
        return self._integers[tensor]

    def _integer(self, tensor: Tensor, node: Node) -> Tensor:
        """Return an activation as int8, behind a QUANTIZE when it was computed in float."""
        if tensor not in self._integers:
            integer = Tensor(f"{tensor.name}/quantized", tensor.shape, "int8", scales=self._scales[tensor])
            self._rescale(node, self._reals[tensor], integer)
            self._integers[tensor] = integer
        return self._integers[tensor]

    def _real(self, tensor: Tensor, node: Node) -> Tensor:
        """Return an activation as float32, behind a DEQUANTIZE when it was computed in int8; constants stay."""
        if tensor.data is not None:
            return tensor
        if tensor not in self._reals:
            real = Tensor(f"{tensor.name}/dequantized", tensor.shape)
            self._nodes.append(Node(Dequantize(), [self._integers[tensor]], [real], node.origin))
            self._reals[tensor] = real
        return self._reals[tensor]

    def _native(self, tensor: Tensor) -> Tensor:
        """Return an activation the way it was computed; anything but a float activation stays as it is."""
        return self._integers.get(tensor) or self._reals.get(tensor) or tensor

    def _operand(self, tensor: Tensor, node: Node) -> Tensor:
        """Return an int8 operand; a float constant gets a range of its own, integers stay."""
        if tensor.data is None:
            return self._integer(tensor, node)
        if tensor.dtype != "float32":
            return tensor
        scales = constant_scales(tensor.data)
        least = _scale(self._integers[node.output]) / MAX_RATIO
        if float(scales.scale[0]) < least and not isinstance(node.operator, Mul):  # a factor may be of any size
            scales = Scales.of(least, scales.zero_point)
        integers = np.clip(np.round(tensor.data / scales.scale[0]) + scales.zero_point, -128, 127).astype(np.int8)
        return Tensor(tensor.name, tensor.shape, "int8", integers, scales)

    def _rescale(self, node: Node, source: Tensor, target: Tensor) -> None:
        self._nodes.append(Node(Quantize(), [source], [target], node.origin))

    def _clamp(self, node: Node) -> None:
        """Rescale to where int8 saturates at the bounds; on to the output's scales when those reach further."""
        source, output = self._integer(node.inputs[0], node), self._make(node.output)
        low, high = node.operator.bounds
        if output.scales is not None and not saturates(output.scales, (low, high)):
            least, most = representable(output.scales)
            clamped = Tensor(
                f"{output.name}/clamped",
                output.shape,
                "int8",
                scales=activation_scales(max(least, low), min(most, high)),
            )
            self._rescale(node, source, clamped)
            source = clamped
        self._rescale(node, source, output)

    def _leak(self, node: Node, slope: float) -> None:
        """Coarsen an input whose steps are too fine for the kernel to multiply by the slope."""
        source, output = self._integer(node.inputs[0], node), self._make(node.output)
        least = _scale(output) * LEAST_LEAK / slope
        if source.scales is not None and _scale(source) < least:
            scales = Scales.of(least, source.scales.zero_point)
            coarse = Tensor(f"{source.name}/for/{output.name}", source.shape, "int8", scales=scales)
            self._rescale(node, source, coarse)
            source = coarse
        self._append(node, [source], [output])

    def _shared(self, node: Node) -> None:
        """Pass integers through; an input of other scales is rescaled first."""
        output = self._make(node.output)
        inputs: list[Tensor] = []
        for tensor in node.inputs:
            if tensor.data is not None:
                inputs.append(tensor)
                continue
            integer = self._integer(tensor, node)
            if not _agree(integer, output):
                rescaled = Tensor(f"{tensor.name}/for/{node.output.name}", tensor.shape, "int8", scales=output.scales)
                self._rescale(node, integer, rescaled)
                integer = rescaled
            inputs.append(integer)
        self._append(node, inputs, [output])

    def _weighted(self, node: Node, operator: Weighted) -> None:
        data, weights, bias = node.inputs
        source, target = self._integer(data, node), self._make(node.output)
        if weights.data is None or bias.data is None:
            raise ModelError(f"node {node.origin!r}: weights and bias must be constants")
        mean = self._means.get(data.name)
        layer = quantise_weights(
            weights.data,
            bias.data,
            operator.channel_axis,
            input_scale=_scale(source),
            output_scale=_scale(target),
            expected_shift=None if mean is None else lambda error: expected_shift(node, error, mean),
            kept=weights.scales,
        )
        constants = [
            Tensor(weights.name, weights.shape, "int8", layer.weights, layer.weight_scales),
            Tensor(bias.name, bias.shape, "int32", layer.bias, layer.bias_scales),
        ]
        self._append(node, [source, *constants], [target])


def _scale(tensor: Tensor) -> float:
    if tensor.scales is None:
        raise ModelError(f"activation {tensor.name!r} has no scale")
    return float(tensor.scales.scale[0])


def _agree(left: Tensor, right: Tensor) -> bool:
    return left.scales is not None and right.scales is not None and left.scales.matches(right.scales)
