"""Counts of a network by the rules of the paper and the official checkpoints: work, parameters, memory.

The rules, found by meeting all 22 published rows (docs/networks.md):

* MACs: one for each multiplication of a convolution or of the classifier. BatchNorm (folded), biases, activations,
  shortcuts and pooling are free. Published are full millions, cut off: 300.77 M is printed as 300.
* Parameters: kernels, and the bias of the classifier. The two numbers per channel of a BatchNorm are not counted.
  Published with two digits, rounded: 2.6098 M is printed as 2.61.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from mnv2_engines.networks.mobilenet_v2 import BOTTLENECKS, Convolution, MobileNetV2, scaled_channels

__all__ = [
    "Materialised",
    "bottleneck_memory",
    "convolution_macs",
    "count_macs",
    "count_parameters",
    "layer_macs",
    "layer_parameters",
    "stage_memory",
]


@dataclass(frozen=True, slots=True)
class Materialised:
    """The largest tensor between two blocks at one resolution, a line of the paper's table 3."""

    size_hw: tuple[int, int]
    channels: int
    byte_count: int


def convolution_macs(layer: Convolution) -> int:
    """Return the multiplications of one convolution: those of one output pixel, for all of them."""
    return prod(layer.output_hw) * prod(layer.kernel_shape)


def layer_macs(layers: Iterable[Convolution]) -> int:
    """Return the multiply-accumulates of these layers for one image."""
    return sum(convolution_macs(layer) for layer in layers)


def layer_parameters(layers: Iterable[Convolution], *, batch_norm: bool = False) -> int:
    """Return how many numbers these layers learn: kernels and biases; `batch_norm` adds scale and shift of each."""
    return sum(
        prod(layer.kernel_shape) + layer.outputs * ((2 if batch_norm else 0) if layer.norm else 1) for layer in layers
    )


def count_macs(network: MobileNetV2) -> int:
    """Return the multiply-accumulates for one image, the classifier included."""
    return layer_macs(network.convolutions()) + network.feature_channels * network.classes


def count_parameters(network: MobileNetV2, *, batch_norm: bool = False) -> int:
    """Return how many numbers are learned; `batch_norm` adds scale and shift of every channel, as PyTorch counts."""
    features = layer_parameters(network.convolutions(), batch_norm=batch_norm)
    return features + (network.feature_channels + 1) * network.classes


def bottleneck_memory(network: MobileNetV2, bytes_per_value: int = 2) -> tuple[Materialised, ...]:
    """Return for each resolution the largest bottleneck that is there; table 3 takes 16 bits for a value.

    What is inside of a block need never be there as a whole (section 5.1: it can be computed a few channels at a
    time), and the stem counts as fused with the first block. A runtime that works layer by layer needs more: that is
    what `mnv2-edge inspect` reports.
    """
    widest: dict[tuple[int, int], int] = {}
    for block in network.blocks:
        end = block.convolutions[-1]
        widest[end.output_hw] = max(end.outputs, widest.get(end.output_hw, 0))
    return tuple(_line(size_hw, channels, bytes_per_value) for size_hw, channels in widest.items())


def stage_memory(network: MobileNetV2, bytes_per_value: int = 2) -> tuple[Materialised, ...]:
    """Return the same as table 3 prints it: a stage that halves is counted at the resolution that it *reads*.

    Table 2 puts the stride into a stage's first block, so those tensors are a quarter as large in the network.
    The first halving stage (24 channels) is the exception: at 112x112 the table has only its input's 16 channels.
    """
    height, width = network.stem.output_hw
    widest: dict[tuple[int, int], int] = {}
    halved_once = False
    for stage in BOTTLENECKS:
        enters_halved = stage.s == 2 and not halved_once
        if enters_halved:
            height, width, halved_once = height // 2, width // 2, True
        channels = scaled_channels(stage.c, network.width)
        widest[height, width] = max(channels, widest.get((height, width), 0))
        if stage.s == 2 and not enters_halved:
            height, width = height // 2, width // 2
    return tuple(_line(size_hw, channels, bytes_per_value) for size_hw, channels in widest.items())


def _line(size_hw: tuple[int, int], channels: int, bytes_per_value: int) -> Materialised:
    return Materialised(size_hw, channels, prod(size_hw) * channels * bytes_per_value)
