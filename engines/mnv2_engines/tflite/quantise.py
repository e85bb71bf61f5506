"""Turn the float graph into an int8 graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.calibrate import Observation
from mnv2_engines.tflite.correction import expected_shift
from mnv2_engines.tflite.equalise import equalise
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operator import Rule
from mnv2_engines.tflite.operators.joining import Concatenation
from mnv2_engines.tflite.operators.quantization import Dequantize, Quantize
from mnv2_engines.tflite.pixels import PixelMapping, fold_pixels
from mnv2_engines.tflite.ranges import activation_scales
from mnv2_engines.tflite.scaling import assign_scales, quantisation_rule
from mnv2_engines.tflite.weights import quantise_weights

__all__ = ["QuantiserOptions", "quantise"]


@dataclass(frozen=True, slots=True)
class QuantiserOptions:
    """Choose between ways to quantise; the defaults are what measured best (docs/quantisation.md)."""

    bias_correction: bool = True
    range_search: bool = True
    """Clip activations where that costs less than coarser steps, instead of covering all that was ever seen."""
    equalise: bool = True
    float_tail: bool = True
    """Compute softmax, sigmoid and joins at the very end in float32, from the last layers' own int8 scales."""


def quantise(
    graph: Graph, preprocess: Preprocess, observations: Mapping[str, Observation], options: QuantiserOptions
) -> tuple[Graph, PixelMapping, dict[str, FloatArray]]:
    """Return the int8 graph and how pixels map to its input; the float graph stays as it is.

    Activations keep their names. Raises ModelError.
    """
    graph = Graph(list(graph.inputs), list(graph.outputs), [replace(n, inputs=list(n.inputs), outputs=list(n.outputs)) for n in graph.nodes])
    pinned = _take_given_scales(graph)
    _absorb_clamps(graph)
    mapping = fold_pixels(graph, preprocess)
    (network_input,) = graph.inputs
    pinned[network_input] = mapping.scales
    factors = equalise(graph, observations) if options.equalise else {}
    observations = {name: o.scaled(factors[name]) if name in factors else o for name, o in observations.items()}
    float_nodes = _float_tail(graph) if options.float_tail else frozenset()
    scales = assign_scales(graph, float_nodes, pinned, observations, range_search=options.range_search)
    means = {name: observation.mean for name, observation in observations.items()}
    means[network_input.name] = (means[network_input.name] - mapping.offset) / mapping.factor
    return _Rewriter(graph, float_nodes, scales, means, options).rewrite(), mapping, factors


def _take_given_scales(graph: Graph) -> dict[Tensor, Scales]:
    """Drop QUANTIZE and DEQUANTIZE pairs that the file brought, and return the scales that they give to activations."""
    pinned: dict[Tensor, Scales] = {}
    for node in list(graph.nodes):
        if isinstance(node.operator, Quantize):
            source, scales = node.inputs[0], node.output.scales
            if scales is not None and pinned.setdefault(source, scales).matches(scales):
                graph.replace(node.output, source)
                graph.nodes.remove(node)
        elif isinstance(node.operator, Dequantize) and node.inputs[0].dtype == "float32":
            source = node.inputs[0]
            if node.output in graph.outputs:  # the output keeps its name
                _rename_source(graph, source, node.output, pinned)
            else:
                graph.replace(node.output, source)
            graph.nodes.remove(node)
    return pinned


def _rename_source(graph: Graph, source: Tensor, output: Tensor, pinned: dict[Tensor, Scales]) -> None:
    for node in graph.nodes:
        node.inputs = [output if tensor is source else tensor for tensor in node.inputs]
        node.outputs = [output if tensor is source else tensor for tensor in node.outputs]
    if source in pinned:
        pinned[output] = pinned.pop(source)


def _absorb_clamps(graph: Graph) -> None:
    """Let a producer that only the clamp reads saturate at the clamp's range."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in list(graph.nodes):
        source = node.inputs[0]
        producer = producers.get(source)
        if producer is None or quantisation_rule(node) is not Rule.CLAMP or producer.operator.rule not in {Rule.WEIGHTED, Rule.OWN}:
            continue
        if len(consumers[source]) == 1 and source not in graph.outputs:
            producer.outputs = node.outputs
            producers[node.output] = producer
            graph.nodes.remove(node)


def _float_tail(graph: Graph) -> frozenset[Node]:
    """Return the nodes behind the last real layer that are cheap in float and lose much in int8.

    SOFTMAX and LOGISTIC would round probabilities to 1/256; joining the heads of a detector in int8 would force the scale of
    the widest on all.
    """
    consumers = graph.consumers()
    movable: set[Node] = set()
    for node in reversed(graph.nodes):
        if node.operator.rule in {Rule.SHARED, Rule.FIXED} and all(reader in movable for reader in consumers.get(node.outputs[0], [])):
            movable.add(node)
    tail: set[Node] = set()
    started: set[Tensor] = set()
    for node in graph.nodes:
        starts = node.operator.rule is Rule.FIXED or isinstance(node.operator, Concatenation)
        if node in movable and (starts or started.intersection(node.inputs)):
            tail.add(node)
            started.update(node.outputs)
    return frozenset(tail)


class _Rewriter:
    """Build the int8 graph node by node."""

    def __init__(
        self,
        graph: Graph,
        float_nodes: frozenset[Node],
        scales: Mapping[Tensor, Scales],
        means: Mapping[str, FloatArray],
        options: QuantiserOptions,
    ) -> None:
        self._graph = graph
        self._float_nodes = float_nodes
        self._scales = scales
        self._means = means
        self._options = options
        self._result = Graph([], [])
        self._integers: dict[Tensor, Tensor] = {}
        self._reals: dict[Tensor, Tensor] = {}

    def rewrite(self) -> Graph:
        self._result.inputs = [self._integer(tensor) for tensor in self._graph.inputs]
        for node in self._graph.nodes:
            if node in self._float_nodes:
                self._append(node, [self._real(node, tensor) for tensor in node.inputs], self._float_outputs(node))
                continue
            rule = quantisation_rule(node)
            if rule is Rule.WEIGHTED:
                self._weighted(node)
            elif rule is Rule.CLAMP or isinstance(node.operator, Quantize):
                self._result.nodes.append(self._rescaling(node, self._integer(node.inputs[0]), self._integer(node.output)))
            elif rule is Rule.SHARED:
                self._shared(node)
            elif rule is Rule.INDEX:
                self._append(node, [self._operand(tensor) for tensor in node.inputs], node.outputs)
            else:
                self._append(node, [self._operand(tensor) for tensor in node.inputs], [self._integer(t) for t in node.outputs])
        self._result.outputs = [self._reals.get(tensor) or self._integers.get(tensor) or tensor for tensor in self._graph.outputs]
        return self._result

    def _append(self, node: Node, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
        self._result.nodes.append(Node(node.operator, list(inputs), list(outputs), node.origin))

    def _integer(self, tensor: Tensor) -> Tensor:
        """Return the int8 activation for a float one."""
        if tensor not in self._integers:
            self._integers[tensor] = Tensor(tensor.name, tensor.shape, "int8", scales=self._scales[tensor])
        return self._integers[tensor]

    def _float_outputs(self, node: Node) -> list[Tensor]:
        self._reals.update({tensor: tensor for tensor in node.outputs})
        return node.outputs

    def _real(self, node: Node, tensor: Tensor) -> Tensor:
        """Return a float activation in the float tail, behind a DEQUANTIZE when an int8 layer made it."""
        if tensor.data is not None:
            return tensor
        if tensor not in self._reals:
            real = Tensor(f"{tensor.name}/dequantized", tensor.shape)
            self._result.nodes.append(Node(Dequantize(), [self._integer(tensor)], [real], node.origin))
            self._reals[tensor] = real
        return self._reals[tensor]

    def _operand(self, tensor: Tensor) -> Tensor:
        """Return an int8 operand; a float constant gets a range of its own, integers stay."""
        if tensor.data is None:
            return self._integer(tensor)
        if tensor.dtype != "float32":
            return tensor
        return _quantised_constant(tensor, activation_scales(float(tensor.data.min()), float(tensor.data.max())))

    def _shared(self, node: Node) -> None:
        """Pass integers through; an input of other scales, which only a quantised file can bring, is rescaled first."""
        outputs = [self._integer(tensor) for tensor in node.outputs]
        inputs: list[Tensor] = []
        for tensor in node.inputs:
            if tensor.data is not None:
                constant = tensor.dtype == "float32" and outputs[0].scales is not None
                inputs.append(_quantised_constant(tensor, outputs[0].scales) if constant and outputs[0].scales else tensor)
                continue
            integer = self._integer(tensor)
            if integer.scales is not None and outputs[0].scales is not None and not integer.scales.matches(outputs[0].scales):
                rescaled = Tensor(f"{tensor.name}/rescaled_for_{node.output.name}", tensor.shape, "int8", scales=outputs[0].scales)
                self._result.nodes.append(self._rescaling(node, integer, rescaled))
                integer = rescaled
            inputs.append(integer)
        self._append(node, inputs, outputs)

    def _rescaling(self, node: Node, source: Tensor, target: Tensor) -> Node:
        return Node(Quantize(), [source], [target], node.origin)

    def _weighted(self, node: Node) -> None:
        data, weights, bias = node.inputs
        source, target = self._integer(data), self._integer(node.output)
        if weights.data is None or bias.data is None or source.scales is None or target.scales is None:
            raise ModelError(f"node {node.origin!r}: weights and bias must be constants")
        mean = self._means[data.name]
        layer = quantise_weights(
            weights.data,
            bias.data,
            node.operator.channel_axis,
            input_scale=float(source.scales.scale[0]),
            output_scale=float(target.scales.scale[0]),
            expected_shift=(lambda error: expected_shift(node, error, mean)) if self._options.bias_correction else None,
            kept=weights.scales,
        )
        constants = [
            Tensor(weights.name, weights.shape, "int8", layer.weights, layer.weight_scales),
            Tensor(bias.name, bias.shape, "int32", layer.bias, layer.bias_scales),
        ]
        self._append(node, [source, *constants], [target])


def _quantised_constant(tensor: Tensor, scales: Scales) -> Tensor:
    if tensor.data is None:
        raise ModelError(f"{tensor.name!r} is no constant")
    integers = np.clip(np.round(tensor.data / scales.scale[0]) + scales.zero_point, -128, 127).astype(np.int8)
    return Tensor(tensor.name, tensor.shape, "int8", integers, scales)
