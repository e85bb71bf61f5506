"""MobileNetV2 as in the paper (arXiv 1801.04381v4, table 2 and figure 3d), in PyTorch.

Module names are torchvision's (`features.N.conv...`, `classifier.1`), so that at the same width either side loads the
other's state dict. This is training code: the runtime never imports it.
"""

from __future__ import annotations

import torch
from torch import nn

BOTTLENECKS = (
    # t (expansion), c (output channels), n (repeats), s (stride of the first)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


def scaled_channels(channels: int, width: float) -> int:
    """Return `channels * width` rounded to a multiple of 8, but never below 90 % of it."""
    target = channels * width
    rounded = max(8, int(target + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * target else rounded + 8


def conv_bn_relu6(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution without bias, its BatchNorm and a ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand with a 1x1, filter each channel with a 3x3, project with a linear 1x1; add the input where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.use_shortcut = stride == 1 and inputs == outputs
        expand = [conv_bn_relu6(inputs, hidden, kernel=1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            conv_bn_relu6(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output for x of shape (batch, channels, height, width)."""
        y: torch.Tensor = self.conv(x)
        return x + y if self.use_shortcut else y


class MobileNetV2(nn.Module):
    """Classify images; the output is logits, without softmax.

    For a width below 1 the head keeps its 1280 channels, as in the official checkpoints.
    """

    def __init__(self, classes: int, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        channels = scaled_channels(STEM_CHANNELS, width)
        layers: list[nn.Module] = [conv_bn_relu6(3, channels, stride=2)]
        for expansion, base_channels, repeats, first_stride in BOTTLENECKS:
            outputs = scaled_channels(base_channels, width)
            for repeat in range(repeats):
                layers.append(InvertedResidual(channels, outputs, first_stride if repeat == 0 else 1, expansion))
                channels = outputs
        head = scaled_channels(HEAD_CHANNELS, max(1.0, width))
        layers.append(conv_bn_relu6(channels, head, kernel=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(head, classes))
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, classes) for x of shape (batch, 3, height, width)."""
        y: torch.Tensor = self.features(x)
        logits: torch.Tensor = self.classifier(y.mean((2, 3)))
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
