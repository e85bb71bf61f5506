"""DeepLabv3 on MobileNetV2: a class for every pixel (paper, section 6.3).

A classifier throws away where things are, a 32nd of the picture's sides is left. DeepLabv3 (arXiv 1706.05587) keeps
the last map at a 16th or an 8th: strides are left out, and dilation lets the same weights see as far as before. On that
map a head looks at each place and at the whole picture (*image pooling*), and with *atrous spatial pyramid pooling*
(ASPP) at three distances in between. A 1x1 gives a score for every class, which is enlarged to the picture.

The paper's V2* does without the last convolution to 1280 channels, and best without ASPP: table 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from mnv2_engines.errors import ContractError
from mnv2_engines.networks.mobilenet_v2 import Convolution, InvertedResidual, inverted_residuals, stem_of

__all__ = ["DeepLabV3"]

HEAD_CHANNELS: Final = 256
ASPP_RATES: Final = (6, 12, 18)
"""Dilations at output stride 16; twice that at 8 (arXiv 1706.05587, section 3.3)."""


@dataclass(frozen=True, slots=True)
class DeepLabV3:
    """One segmenter of the family. Raises ContractError for an impossible size or class count."""

    classes: int = 21
    """With the background, class 0: PASCAL VOC has 20 more."""
    size_hw: tuple[int, int] = (513, 513)
    """A multiple of the output stride plus 1 lets the corners of picture and map coincide; VOC's pictures fit 513."""
    width: float = 1.0
    output_stride: Literal[8, 16] = 16
    aspp: bool = False
    argmax: bool = True
    """Whether the network ends in class numbers or in scores."""

    def __post_init__(self) -> None:
        if min(self.size_hw) < 32 or self.classes < 2 or self.output_stride not in (8, 16):
            raise ContractError(
                f"{self.classes} classes at {self.size_hw[0]}x{self.size_hw[1]}, output stride {self.output_stride}, "
                "give no segmenter: expected two classes, 32x32 and an output stride of 8 or 16 at least"
            )

    @property
    def stem(self) -> Convolution:
        """Return the first layer."""
        return stem_of(self.width, self.size_hw)

    @property
    def blocks(self) -> tuple[InvertedResidual, ...]:
        """Return the 17 inverted residuals, the last of them dilated."""
        return inverted_residuals(self.width, self.stem, self.output_stride)

    @property
    def pooled(self) -> Convolution:
        """Return the 1x1 that looks at the mean of the whole map; what it gives is laid over every place again."""
        return self._branch("aspp.pool", kernel=1, size_hw=(1, 1))

    @property
    def branches(self) -> tuple[Convolution, ...]:
        """Return those that look at every place: a 1x1, and with ASPP three 3x3 of ever wider reach."""
        rates = [rate * 16 // self.output_stride for rate in ASPP_RATES] if self.aspp else []
        size_hw = self.map_hw
        wide = [self._branch(f"aspp.{n}", kernel=3, size_hw=size_hw, dilation=rate) for n, rate in enumerate(rates, 1)]
        return (self._branch("aspp.0", kernel=1, size_hw=size_hw), *wide)

    @property
    def projection(self) -> Convolution:
        """Return the 1x1 that joins all branches."""
        inputs = HEAD_CHANNELS * (1 + len(self.branches))
        return Convolution("projection.0", "projection.1", inputs, HEAD_CHANNELS, self.map_hw, activation="relu")

    @property
    def classifier(self) -> Convolution:
        """Return the 1x1 that gives a score for every class."""
        return Convolution("classifier", None, HEAD_CHANNELS, self.classes, self.map_hw, activation="none")

    @property
    def map_hw(self) -> tuple[int, int]:
        """Return height and width of the map on which classes are told apart: 33x33 of 513x513 at output stride 16."""
        return self.blocks[-1].convolutions[-1].output_hw

    def convolutions(self) -> Iterator[Convolution]:
        """Yield all convolutions in the order in which they run."""
        yield self.stem
        for block in self.blocks:
            yield from block.convolutions
        yield from (self.pooled, *self.branches, self.projection, self.classifier)

    def _branch(self, name: str, *, kernel: int, size_hw: tuple[int, int], dilation: int = 1) -> Convolution:
        inputs = self.blocks[-1].convolutions[-1].outputs
        return Convolution(
            f"{name}.0",
            f"{name}.1",
            inputs,
            HEAD_CHANNELS,
            size_hw,
            kernel=kernel,
            dilation=dilation,
            activation="relu",
        )
