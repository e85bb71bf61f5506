"""A MobileNetV2 classifier, recognised by its kernels, with the published figures beside the measured ones."""

from dataclasses import dataclass

from mnv2_engines.inspection.graph import Inspection, Operation
from mnv2_engines.networks.matching import match_kernels
from mnv2_engines.networks.mobilenet_v2 import DOWNSCALING, MobileNetV2
from mnv2_engines.networks.published import PublishedRow, published_row

__all__ = ["FamilyMember", "find_family_member"]


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """Name of the network, and its figures by the rule of the published ones."""

    network: MobileNetV2
    plain_head: bool
    """One dense layer stands behind the features, as in the paper."""
    macs_m: int
    """In millions, cut off as the published ones are."""
    parameters_m: float
    """In millions, rounded to two digits: kernels, and the bias of the last layer."""
    published: PublishedRow | None


def find_family_member(inspection: Inspection) -> FamilyMember | None:
    """Return which MobileNetV2 a classifier is; None when it is none, or when its shapes are not known."""
    layers = [operation for operation in inspection.operations if operation.kernel is not None]
    features = len(list(MobileNetV2().convolutions()))
    found = match_kernels([layer.kernel or () for layer in layers[:features]])
    size_hw = _picture_size(inspection)
    macs = inspection.macs
    if found is None or size_hw is None or macs is None or len(layers) <= features:
        return None
    head = layers[features:]
    network = MobileNetV2(width=found[0], size_hw=size_hw, classes=(head[-1].kernel or (1,))[0], head=found[1])
    plain = len(head) == 1
    return FamilyMember(
        network,
        plain,
        macs // 1_000_000,
        round(_published_parameters(inspection, layers) / 1e6, 2),
        published_row(network) if plain else None,
    )


def _picture_size(inspection: Inspection) -> tuple[int, int] | None:
    """Return height and width of the only input, wherever its three channels are."""
    if len(inspection.inputs) != 1:
        return None
    shape = inspection.inputs[0].shape or ()
    if len(shape) != 4:
        return None
    sides = shape[2:] if shape[1] == 3 else shape[1:3]
    height, width = sides
    if height is None or width is None or height % DOWNSCALING or width % DOWNSCALING or not height * width:
        return None
    return height, width


def _published_parameters(inspection: Inspection, layers: list[Operation]) -> int:
    """Count kernels, and the bias of the last layer, which may stand in an addition of its own."""
    kernels = sum(layer.parameters - layer.bias for layer in layers)
    last = layers[-1]
    behind = inspection.operations[inspection.operations.index(last) :]
    bias = last.bias or next((op.parameters for op in behind[1:] if op.operator in {"Add", "ADD"}), 0)
    return kernels + bias
