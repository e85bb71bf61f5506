"""The member of the family that some kernels belong to, or where they begin to differ from the nearest one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

from mnv2_engines.networks.mobilenet_v2 import Convolution, HeadRule, MobileNetV2

__all__ = ["Shape", "layer_shapes", "match_kernels", "match_names", "nearest", "parameter_shapes"]

Shape: TypeAlias = tuple[int, ...]

_OFFICIAL_WIDTHS: Final = (1.0, 1.4, 1.3, 0.75, 0.5, 0.35)
_CONVOLUTIONS: Final = 52
_HEADS: Final[tuple[HeadRule, ...]] = ("official", "scaled")


@dataclass(frozen=True, slots=True)
class _Candidate:
    width: float
    head: HeadRule
    kernels: tuple[Shape, ...]


def parameter_shapes(network: MobileNetV2) -> Mapping[str, Shape]:
    """Return every tensor that the features need, by its name in a state dict, in the order in which layers run."""
    return layer_shapes(network.convolutions())


def layer_shapes(layers: Iterable[Convolution]) -> Mapping[str, Shape]:
    """Return every tensor that these layers need, by its name in a state dict, in their order."""
    shapes: dict[str, Shape] = {}
    for layer in layers:
        shapes[f"{layer.name}.weight"] = layer.kernel_shape
        if layer.norm is None:
            shapes[f"{layer.name}.bias"] = (layer.outputs,)
            continue
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{layer.norm}.{part}"] = (layer.outputs,)
    return shapes


def match_kernels(kernels: Sequence[Shape]) -> tuple[float, HeadRule] | None:
    """Return width and head rule of the network whose 52 kernels these are, in order; None when there is none.

    Several widths give the same channels (1.0 and 1.01): a published width is preferred, then the roundest.
    """
    wanted = tuple(kernels)
    if len(wanted) != _CONVOLUTIONS:
        return None
    for candidate in _candidates():
        if candidate.kernels == wanted:
            return candidate.width, candidate.head
    return None


def match_names(shapes: Mapping[str, Shape]) -> tuple[float, HeadRule] | None:
    """Return width and head rule of the network that has kernels of these names and shapes."""
    names = [f"{layer.name}.weight" for layer in MobileNetV2().convolutions()]
    return match_kernels([shapes.get(name, ()) for name in names])


def nearest(shapes: Mapping[str, Shape]) -> tuple[float, HeadRule]:
    """Return width and head rule of the network that agrees with most of these kernels, to show what differs."""
    names = [f"{layer.name}.weight" for layer in MobileNetV2().convolutions()]
    found = [shapes.get(name, ()) for name in names]

    def agreement(candidate: _Candidate) -> int:
        return sum(ours == theirs for ours, theirs in zip(candidate.kernels, found, strict=True))

    best = max(_candidates(), key=agreement)
    return best.width, best.head


def _candidates() -> Iterator[_Candidate]:
    round_widths = [step / 20 for step in range(1, 61)]
    fine_widths = [step / 100 for step in range(5, 301)]
    widths = dict.fromkeys((*_OFFICIAL_WIDTHS, *round_widths, *fine_widths))
    for width, head in product(widths, _HEADS):
        if head == "scaled" and width >= 1.0:
            continue  # the rules differ below width 1 alone
        network = MobileNetV2(width=width, head=head)
        yield _Candidate(width, head, tuple(layer.kernel_shape for layer in network.convolutions()))
