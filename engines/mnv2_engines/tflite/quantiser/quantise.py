"""The steps from the float graph to an int8 graph: their order, and which of them to take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite.graph import Graph, Scales, Tensor
from mnv2_engines.tflite.operator import ScaleRule
from mnv2_engines.tflite.passes import fuse_activations
from mnv2_engines.tflite.quantiser.calibration import Moments, Observation
from mnv2_engines.tflite.quantiser.equalisation import equalise
from mnv2_engines.tflite.quantiser.int8_graph import rewrite
from mnv2_engines.tflite.quantiser.pixel_input import PixelMapping, fold_pixels
from mnv2_engines.tflite.quantiser.ranges import saturates
from mnv2_engines.tflite.quantiser.scales import assign_scales, float_tail, take_given_scales

__all__ = ["Quantised", "QuantiserOptions", "quantise"]


@dataclass(frozen=True, slots=True)
class QuantiserOptions:
    """Choices of the quantiser; the defaults are what measured best (docs/quantisation.md)."""

    bias_correction: bool = True
    """Take from each bias what the rounding of the weights adds on average."""
    range_search: bool = True
    """Clip activations where that costs less than coarser steps, instead of covering all that was ever seen."""
    equalise: bool = True
    """Scale the channels of the linear bottlenecks to one range."""
    float_tail: bool = True
    """Compute sigmoids and joins at the very end in float32, from the last layers' own int8 scales."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """The int8 graph and how it relates to the float one; activations have the same names in both."""

    graph: Graph
    pixels: PixelMapping
    factors: Mapping[str, Moments]
    """Per channel, by what equalisation multiplied an activation."""


def quantise(
    graph: Graph, preprocess: Preprocess, observations: Mapping[str, Observation], options: QuantiserOptions
) -> Quantised:
    """Quantise a graph by what calibration observed; the float graph stays as it is. Raises ModelError."""
    graph = _copy(graph)
    given = take_given_scales(graph)
    fuse_activations(graph)  # what the file's own conversions stood in between
    pixels = fold_pixels(graph, preprocess)
    (network_input,) = graph.inputs
    given[network_input] = pixels.scales
    # A file that brings its own scales was trained or tuned for them.
    factors = equalise(graph, observations) if options.equalise and len(given) == 1 else {}
    observations = {name: o.scaled(factors[name]) if name in factors else o for name, o in observations.items()}
    float_nodes = float_tail(graph) if options.float_tail else frozenset()
    scales = assign_scales(graph, float_nodes, given, observations, range_search=options.range_search)
    _absorb_clamps(graph, scales)
    means = {name: observation.mean for name, observation in observations.items()}
    means[network_input.name] = (means[network_input.name] - pixels.offset) / pixels.factor
    int8 = rewrite(graph, float_nodes, scales, means, bias_correction=options.bias_correction)
    return Quantised(int8, pixels, factors)


def _copy(graph: Graph) -> Graph:
    nodes = [replace(node, inputs=list(node.inputs), outputs=list(node.outputs)) for node in graph.nodes]
    return Graph(list(graph.inputs), list(graph.outputs), nodes)


def _absorb_clamps(graph: Graph, scales: Mapping[Tensor, Scales]) -> None:
    """Drop a clamp whose producer nothing else reads: writing to the clamp's scales saturates at its bounds."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in list(graph.nodes):
        source = node.inputs[0]
        producer = producers.get(source)
        if (
            producer is None
            or node.operator.rule is not ScaleRule.CLAMP
            or producer.operator.rule not in {ScaleRule.WEIGHTED, ScaleRule.OWN}
        ):
            continue
        alone = len(consumers[source]) == 1 and source not in graph.outputs
        if alone and saturates(scales[node.output], node.operator.bounds):
            producer.outputs = node.outputs
            producers[node.output] = producer
            graph.nodes.remove(node)
