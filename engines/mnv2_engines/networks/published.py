"""Published figures of the official ImageNet checkpoints, to put beside what is measured here.

Source: the list of checkpoints of the network's authors (tensorflow/models, research/slim/nets/mobilenet). Latency is
of one big core of a Pixel 1, float, as they measured it.
"""

from dataclasses import dataclass
from typing import Final

from mnv2_engines.networks.mobilenet_v2 import MobileNetV2

__all__ = ["OFFICIAL", "PublishedRow", "published_row"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One official checkpoint, with the figures and the rounding of its authors."""

    width: float
    resolution: int
    macs_m: int
    """Multiply-accumulates in millions, cut off."""
    parameters_m: float
    """In millions, rounded to two digits."""
    top1: float
    """Per cent on ImageNet's validation set."""
    top5: float
    pixel1_ms: float


OFFICIAL: Final = (
    PublishedRow(1.4, 224, 582, 6.06, 75.0, 92.5, 138.0),
    PublishedRow(1.3, 224, 509, 5.34, 74.4, 92.1, 123.0),
    PublishedRow(1.0, 224, 300, 3.47, 71.8, 91.0, 73.8),
    PublishedRow(1.0, 192, 221, 3.47, 70.7, 90.1, 55.1),
    PublishedRow(1.0, 160, 154, 3.47, 68.8, 89.0, 40.2),
    PublishedRow(1.0, 128, 99, 3.47, 65.3, 86.9, 27.6),
    PublishedRow(1.0, 96, 56, 3.47, 60.3, 83.2, 17.6),
    PublishedRow(0.75, 224, 209, 2.61, 69.8, 89.6, 55.8),
    PublishedRow(0.75, 192, 153, 2.61, 68.7, 88.9, 41.6),
    PublishedRow(0.75, 160, 107, 2.61, 66.4, 87.3, 30.4),
    PublishedRow(0.75, 128, 69, 2.61, 63.2, 85.3, 21.9),
    PublishedRow(0.75, 96, 39, 2.61, 58.8, 81.6, 14.2),
    PublishedRow(0.5, 224, 97, 1.95, 65.4, 86.4, 28.7),
    PublishedRow(0.5, 192, 71, 1.95, 63.9, 85.4, 21.1),
    PublishedRow(0.5, 160, 50, 1.95, 61.0, 83.2, 14.9),
    PublishedRow(0.5, 128, 32, 1.95, 57.7, 80.8, 9.9),
    PublishedRow(0.5, 96, 18, 1.95, 51.2, 75.8, 6.4),
    PublishedRow(0.35, 224, 59, 1.66, 60.3, 82.9, 19.7),
    PublishedRow(0.35, 192, 43, 1.66, 58.2, 81.2, 14.6),
    PublishedRow(0.35, 160, 30, 1.66, 55.7, 79.1, 10.5),
    PublishedRow(0.35, 128, 20, 1.66, 50.8, 75.0, 6.9),
    PublishedRow(0.35, 96, 11, 1.66, 45.5, 70.4, 4.5),
)


def published_row(network: MobileNetV2) -> PublishedRow | None:
    """Return the row of this width and resolution; None when there is none.

    The classes need not be ImageNet's: the row is there to compare with, and a caller says what differs.
    """
    height, width = network.size_hw
    for row in OFFICIAL:
        if row.width == network.width and row.resolution == height == width and network.head == "official":
            return row
    return None
