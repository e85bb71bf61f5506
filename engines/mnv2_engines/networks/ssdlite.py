"""SSDLite on MobileNetV2: boxes and classes from maps of six sizes, in one pass (paper, section 6.2).

An SSD (arXiv 1512.02325) looks at every place of several feature maps, large ones for small things and small ones for
large things, and tells for a few boxes of fixed shapes there, the *anchors*, what is in them and how the box would have
to move and grow to fit. SSDLite does so with MobileNetV2's own means: every 3x3 convolution of the heads becomes a
depthwise one and a 1x1, which is a seventh of the parameters.

The first map is the *expanded* middle of the block in which the stride becomes 32 (the paper counts it as layer 15),
at stride 16; the second the last convolution, at stride 32; four more halve what is before them. `anchors.ssd_boxes`
lays out the anchors in the order of the outputs, `tasks.detect` reads them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mnv2_engines.errors import ContractError
from mnv2_engines.networks.mobilenet_v2 import (
    HEAD_CHANNELS,
    Convolution,
    InvertedResidual,
    inverted_residuals,
    scaled_channels,
    stem_of,
)

__all__ = ["BoxHead", "SSDLite"]

FIRST_MAP_BLOCK: Final = 13
"""Of the 17 inverted residuals, from 0: the first of table 2's sixth stage."""
EXTRA_LAYERS: Final = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels of the four maps behind the network, each made by a 1x1 to the first number and a stride of 2 to the second.

Source: ssdlite_mobilenet_v2_coco.config and ssd_mobilenet_v2_feature_extractor.py of the TensorFlow model garden.
"""
ANCHORS: Final = (3, 6, 6, 6, 6, 6)
"""Boxes at each place of the six maps."""


@dataclass(frozen=True, slots=True)
class BoxHead:
    """The two branches on one map: a depthwise convolution and a 1x1 with a bias, each."""

    boxes: tuple[Convolution, Convolution]
    """Ends in four numbers an anchor: the centre's offset, y before x, and the logarithm of the size, height first."""
    scores: tuple[Convolution, Convolution]
    """Ends in a logit for every class, the background at 0, of every anchor."""
    anchors: int
    """At each place."""

    @property
    def places(self) -> int:
        """Return how many pixels the map has."""
        height, width = self.boxes[0].size_hw
        return height * width


@dataclass(frozen=True, slots=True)
class SSDLite:
    """One detector of the family. Raises ContractError for sizes that do not give six maps."""

    classes: int = 91
    """With the background, class 0; COCO numbers 90 (of which it uses 80)."""
    size_hw: tuple[int, int] = (320, 320)
    """320 is the paper's, 300 that of TensorFlow's checkpoints."""
    width: float = 1.0

    def __post_init__(self) -> None:
        if min(self.size_hw) < 32 or self.classes < 2:
            raise ContractError(
                f"{self.classes} classes at {self.size_hw[0]}x{self.size_hw[1]} give no detector: expected a "
                "background and at least one class, and a picture of 32x32 or more"
            )

    @property
    def stem(self) -> Convolution:
        """Return the first layer."""
        return stem_of(self.width, self.size_hw)

    @property
    def blocks(self) -> tuple[InvertedResidual, ...]:
        """Return the 17 inverted residuals, the classifier's."""
        return inverted_residuals(self.width, self.stem)

    @property
    def last(self) -> Convolution:
        """Return the 1x1 convolution behind them: the second map."""
        before = self.blocks[-1].convolutions[-1]
        channels = scaled_channels(HEAD_CHANNELS, self.width)
        return Convolution("features.18.0", "features.18.1", before.outputs, channels, before.output_hw)

    @property
    def extras(self) -> tuple[tuple[Convolution, ...], ...]:
        """Return the layers of the third map and those behind it: squeeze by a 1x1, halve depthwise, widen by a 1x1."""
        before, maps = self.last, []
        for index, (narrow, wide) in enumerate(EXTRA_LAYERS):
            squeezed, outputs = scaled_channels(narrow, self.width), scaled_channels(wide, self.width)
            at = f"extras.{index}"
            squeeze = Convolution(f"{at}.0.0", f"{at}.0.1", before.outputs, squeezed, before.output_hw)
            halve = Convolution(
                f"{at}.1.0", f"{at}.1.1", squeezed, squeezed, before.output_hw, kernel=3, stride=2, groups=squeezed
            )
            before = Convolution(f"{at}.2.0", f"{at}.2.1", squeezed, outputs, halve.output_hw)
            maps.append((squeeze, halve, before))
        return tuple(maps)

    @property
    def heads(self) -> tuple[BoxHead, ...]:
        """Return the branches of the six maps, the largest first."""
        expand = self.blocks[FIRST_MAP_BLOCK].convolutions[0]
        sources = (expand, self.last, *(layers[-1] for layers in self.extras))
        return tuple(
            BoxHead(
                self._branch(f"heads.{index}.boxes", source, 4 * anchors),
                self._branch(f"heads.{index}.scores", source, self.classes * anchors),
                anchors,
            )
            for index, (source, anchors) in enumerate(zip(sources, ANCHORS, strict=True))
        )

    @property
    def anchors(self) -> int:
        """Return how many anchors there are: 2,034 at 320x320, 1,917 at 300x300."""
        return sum(head.places * head.anchors for head in self.heads)

    def head_convolutions(self) -> Iterator[Convolution]:
        """Yield all that is not the classifier's features: what table 5 counts, of one head or the other."""
        for layers in self.extras:
            yield from layers
        for head in self.heads:
            yield from (*head.boxes, *head.scores)

    def convolutions(self) -> Iterator[Convolution]:
        """Yield all convolutions, the features' first."""
        yield self.stem
        for block in self.blocks:
            yield from block.convolutions
        yield self.last
        yield from self.head_convolutions()

    def _branch(self, name: str, source: Convolution, outputs: int) -> tuple[Convolution, Convolution]:
        channels, size_hw = source.outputs, source.output_hw
        filter_ = Convolution(f"{name}.0.0", f"{name}.0.1", channels, channels, size_hw, kernel=3, groups=channels)
        return filter_, Convolution(f"{name}.1", None, channels, outputs, size_hw, activation="none")
