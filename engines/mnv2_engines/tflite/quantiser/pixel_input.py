"""The camera's own bytes as int8 input: ``int8 = pixel - 128``, which is XOR 0x80, with no float on the way."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operators.convolution import Conv2D
from mnv2_engines.tflite.operators.joining import Pad
from mnv2_engines.tflite.quantiser.ranges import activation_scales

__all__ = ["PixelMapping", "fold_pixels"]


@dataclass(frozen=True, slots=True)
class PixelMapping:
    """How pixels reach the int8 network, and how its input's reals relate to the float network's."""

    preprocess: Preprocess
    """What the frame path must apply: one mean (an integer) and one std for all channels where folding was possible."""
    scales: Scales
    factor: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    """Per channel: float network's input = factor * int8 network's input + offset."""


def fold_pixels(graph: Graph, preprocess: Preprocess) -> PixelMapping:
    """Fold mean and std into the first convolution, in place, and return how pixels are to be mapped.

    The int8 input then means ``(pixel - m) / s`` with an integer m, so that ``int8 = pixel - 128`` exactly. m is the
    average of the means: padding, for which TFLite takes the input's zero, is then off by no more than their spread,
    and all other taps are exact. Where something else than a convolution reads the input, or a quantised file gives
    the weights' scales, only a common mean and std can be mapped this way.
    """
    mean, std = np.array(preprocess.mean, np.float64), np.array(preprocess.std, np.float64)
    middle = float(np.clip(np.ceil(mean.mean() - 0.5), 0, 255))
    spread = float(std.mean())
    factor, offset = spread / std, (middle - mean) / std
    readers = _first_convolutions(graph)
    if readers and (np.all(factor == 1.0) or all(node.inputs[1].scales is None for node in readers)):
        for node in readers:
            _fold(node, factor, offset)
    elif len(set(preprocess.mean)) > 1 or len(set(preprocess.std)) > 1:
        return _by_table(preprocess)
    else:
        factor, offset = np.ones(3), np.zeros(3)
    mapped = replace(preprocess, mean=(middle, middle, middle), std=(spread, spread, spread))
    return PixelMapping(mapped, Scales.of(1.0 / spread, int(middle) - 128), factor, offset)


def _first_convolutions(graph: Graph) -> list[Node]:
    """Return the convolutions that read the input, through a PAD or not; nothing when anything else reads it."""
    consumers = graph.consumers()
    found: list[Node] = []
    pending: list[Tensor] = list(graph.inputs)
    while pending:
        tensor = pending.pop()
        for node in consumers.get(tensor, []):
            if isinstance(node.operator, Conv2D):
                found.append(node)
            elif isinstance(node.operator, Pad) and node.output not in graph.outputs:
                pending.append(node.output)
            else:
                return []
    return found


def _fold(node: Node, factor: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> None:
    weights, bias = node.inputs[1], node.inputs[2]
    if weights.data is None or bias.data is None:
        return
    shifted = bias.data + (weights.data * offset).sum(axis=(1, 2, 3))
    if np.any(factor != 1.0):
        node.inputs[1] = Tensor.constant(weights.name, (weights.data * factor).astype(np.float32))
    node.inputs[2] = Tensor.constant(bias.name, shifted.astype(np.float32))


def _by_table(preprocess: Preprocess) -> PixelMapping:
    """Cover what all three channels can be with one scale: the frame path needs a 256x3 table."""
    mean, std = np.array(preprocess.mean, np.float64), np.array(preprocess.std, np.float64)
    low, high = float((-mean / std).min()), float(((255 - mean) / std).max())
    return PixelMapping(preprocess, activation_scales(low, high), np.ones(3), np.zeros(3))
