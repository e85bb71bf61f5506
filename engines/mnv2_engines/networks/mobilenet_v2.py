"""MobileNetV2: the paper's table, the block it is made of, and how width and resolution scale both.

M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381v4. The idea, in the order
in which an image meets it:

* A ReLU destroys information where a tensor has few channels (section 3.2). So the thin tensors, the *bottlenecks*, are
  linear: no activation follows the convolution that makes them.
* Between two bottlenecks the network is wide: a 1x1 convolution *expands* t times, a 3x3 filters every channel by
  itself (*depthwise*: 9 multiplications a value instead of 9 for every input channel), a 1x1 *projects* back.
* The shortcut joins the thin ends, not the wide middle as in a ResNet: the residual is *inverted* (section 3.3). That
  is what makes it small in memory, too: only bottlenecks have to be kept.

Nothing here holds weights or touches a file: the network is a list of layers. `onnx_writer` writes it, `counting`
counts it, `matching` finds out which member of the family some shapes belong to. `ssdlite` and `deeplab` put other
heads on the same blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mnv2_engines.errors import ContractError

__all__ = [
    "BOTTLENECKS",
    "ActivationRule",
    "Convolution",
    "HeadRule",
    "InvertedResidual",
    "MobileNetV2",
    "Stage",
    "inverted_residual",
    "inverted_residuals",
    "scaled_channels",
    "stem_of",
]

ActivationRule: TypeAlias = Literal["relu6", "relu", "none"]
"""What follows a convolution: min(max(x, 0), 6), max(x, 0), or nothing."""

HeadRule: TypeAlias = Literal["official", "scaled"]
"""How wide the last convolution is below width 1: 1280 (paper and official checkpoints), or 1280 times the width."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of table 2: `n` blocks of `c` output channels, the first of them with stride `s`."""

    t: int
    """Expansion: the middle of a block has t times the channels of its input."""
    c: int
    """Output channels at width 1."""
    n: int
    """How many blocks follow one another."""
    s: int
    """Stride of the first block; the others have 1."""


BOTTLENECKS: Final = (
    Stage(t=1, c=16, n=1, s=1),
    Stage(t=6, c=24, n=2, s=2),
    Stage(t=6, c=32, n=3, s=2),
    Stage(t=6, c=64, n=4, s=2),
    Stage(t=6, c=96, n=3, s=1),
    Stage(t=6, c=160, n=3, s=2),
    Stage(t=6, c=320, n=1, s=1),
)
"""Table 2 of the paper, without the convolutions before and after."""

STEM_CHANNELS: Final = 32
HEAD_CHANNELS: Final = 1280
CHANNEL_STEP: Final = 8
DOWNSCALING: Final = 32
"""Five layers of stride 2 halve height and width: a resolution must be a multiple of this."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution, its BatchNorm or its bias, and the activation that follows.

    The names are those of PyTorch's state dicts (torchvision), the language in which weights travel.
    """

    name: str
    """Its kernel is `{name}.weight`, of shape (outputs, inputs / groups, kernel, kernel)."""
    norm: str | None
    """Its BatchNorm is `{norm}.weight`, `.bias`, `.running_mean` and `.running_var`, of shape (outputs,) each.

    None: there is none, and its bias is `{name}.bias`."""
    inputs: int
    outputs: int
    size_hw: tuple[int, int]
    """Of its input, in pixels."""
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    """Distance of the kernel's samples: 2 leaves a pixel out between each two (an *atrous* convolution)."""
    activation: ActivationRule = "relu6"

    @property
    def output_hw(self) -> tuple[int, int]:
        """Return (height, width) of its output: every convolution here pads so that only its stride changes them."""
        return -(-self.size_hw[0] // self.stride), -(-self.size_hw[1] // self.stride)

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Return the shape of its kernel in PyTorch's and ONNX's order."""
        return self.outputs, self.inputs // self.groups, self.kernel, self.kernel


@dataclass(frozen=True, slots=True)
class InvertedResidual:
    """Convolutions of one block, from bottleneck to bottleneck; `shortcut` adds its input to its output."""

    convolutions: tuple[Convolution, ...]
    shortcut: bool


def scaled_channels(channels: int, width: float) -> int:
    """Return `channels * width` rounded to a multiple of 8, but never below 90 % of it.

    Eight channels fill a vector register, so others would cost the same time. The rule is the one with which the
    official checkpoints were made: 0.35 * 24 = 8.4 rounds to 8, 0.35 * 16 = 5.6 to 8, and 1.4 * 24 = 33.6 to 32.
    """
    target = channels * width
    rounded = max(CHANNEL_STEP, int(target + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return rounded if rounded >= 0.9 * target else rounded + CHANNEL_STEP


def inverted_residual(
    name: str, inputs: int, outputs: int, size_hw: tuple[int, int], *, expansion: int, stride: int, dilation: int = 1
) -> InvertedResidual:
    """Return the block that `name` stands for in a state dict: expand, filter, project (figure 3d)."""
    hidden = inputs * expansion
    layers: list[Convolution] = []
    if expansion != 1:
        layers.append(Convolution(f"{name}.conv.0.0", f"{name}.conv.0.1", inputs, hidden, size_hw))
    at = f"{name}.conv.{len(layers)}"
    layers.append(
        Convolution(
            f"{at}.0", f"{at}.1", hidden, hidden, size_hw, kernel=3, stride=stride, groups=hidden, dilation=dilation
        ),
    )
    small_hw, last = layers[-1].output_hw, len(layers)
    layers.append(  # the linear bottleneck: its ReLU6 is missing on purpose
        Convolution(f"{name}.conv.{last}", f"{name}.conv.{last + 1}", hidden, outputs, small_hw, activation="none")
    )
    return InvertedResidual(tuple(layers), shortcut=stride == 1 and inputs == outputs)


def stem_of(width: float, size_hw: tuple[int, int]) -> Convolution:
    """Return the first layer, a full 3x3 convolution that halves the image."""
    channels = scaled_channels(STEM_CHANNELS, width)
    return Convolution("features.0.0", "features.0.1", 3, channels, size_hw, kernel=3, stride=2)


def inverted_residuals(
    width: float, stem: Convolution, output_stride: int = DOWNSCALING
) -> tuple[InvertedResidual, ...]:
    """Return the 17 inverted residuals behind the stem: the table, unrolled.

    `output_stride` is how much smaller the last map is than the image. Below 32 the map is kept larger, for whoever
    has to tell pixels apart: from there on strides are left out, and what follows samples its input as far apart as if
    they had not been, by dilation (arXiv 1706.05587, section 3.1). The weights are the same.
    """
    channels, size_hw = stem.outputs, stem.output_hw
    reached, dilation = stem.stride, 1
    blocks: list[InvertedResidual] = []
    for stage in BOTTLENECKS:
        outputs = scaled_channels(stage.c, width)
        for repeat in range(stage.n):
            asked = stage.s if repeat == 0 else 1
            stride = asked if reached * asked <= output_stride else 1
            block = inverted_residual(
                f"features.{len(blocks) + 1}",
                channels,
                outputs,
                size_hw,
                expansion=stage.t,
                stride=stride,
                dilation=dilation,
            )
            blocks.append(block)
            channels, size_hw = outputs, block.convolutions[-1].output_hw
            reached, dilation = reached * stride, dilation * asked // stride
    return tuple(blocks)


@dataclass(frozen=True, slots=True)
class MobileNetV2:
    """One member of the family.

    Raises ContractError for a width, a size or a class count that gives no network.
    """

    width: float = 1.0
    """Multiplies every channel count (the paper's width multiplier, alpha)."""
    size_hw: tuple[int, int] = (224, 224)
    """Height and width of the image in pixels, multiples of 32 (the resolution multiplier scales these)."""
    classes: int = 1000
    head: HeadRule = "official"

    def __post_init__(self) -> None:
        if not 0.01 <= self.width <= 10.0:
            raise ContractError(
                f"width {self.width} gives no useful network: expected 0.01 to 10, the paper has 0.35 to 1.4"
            )
        if any(side <= 0 or side % DOWNSCALING for side in self.size_hw):
            height, width = self.size_hw
            raise ContractError(
                f"resolution {height}x{width} does not fit: expected multiples of {DOWNSCALING}, e.g. 96, 160 or 224"
            )
        if self.classes < 1:
            raise ContractError(f"{self.classes} classes are none: expected at least 1")

    @property
    def stem(self) -> Convolution:
        """Return the first layer, a full 3x3 convolution that halves the image."""
        return stem_of(self.width, self.size_hw)

    @property
    def blocks(self) -> tuple[InvertedResidual, ...]:
        """Return the 17 inverted residuals: the table, unrolled."""
        return inverted_residuals(self.width, self.stem)

    @property
    def last(self) -> Convolution:
        """Return the 1x1 convolution that widens the last bottleneck before it is pooled."""
        before = self.blocks[-1].convolutions[-1]
        at = f"features.{len(self.blocks) + 1}"
        return Convolution(f"{at}.0", f"{at}.1", before.outputs, self.feature_channels, before.output_hw)

    @property
    def feature_channels(self) -> int:
        """Return how many features the classifier sees; below width 1 the official rule keeps 1280."""
        return scaled_channels(HEAD_CHANNELS, self.width if self.head == "scaled" else max(1.0, self.width))

    def convolutions(self) -> Iterator[Convolution]:
        """Yield all 52 convolutions in the order in which they run."""
        yield self.stem
        for block in self.blocks:
            yield from block.convolutions
        yield self.last
