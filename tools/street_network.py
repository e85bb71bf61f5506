"""The demo's detector and segmenter in PyTorch: SSDLite and DeepLabv3 on MobileNetV2 (arXiv 1801.04381v4, section 6).

Training code: the runtime never imports it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from demo_network import BOTTLENECKS, MobileNetV2, conv_bn_relu6, scaled_channels
from street_data import INPUT_HEIGHT, INPUT_WIDTH

ANCHOR_SIDES_PX = ((20.0, 28.0, 40.0), (48.0, 64.0))
"""Sides of the square anchors, in pixels of the network's input, on the map of stride 16 and on that of stride 32."""
BOX_SCALES = (10.0, 10.0, 5.0, 5.0)
"""What centre offsets and log sizes are multiplied by: TensorFlow's faster_rcnn_box_coder, as SSD uses it."""


class Detector(nn.Module):
    """SSDLite: depthwise-separable heads on the expanded layer 15 and on the last layer.

    Gives boxes (batch, anchors, 4), coded as y, x, height, width offsets from the anchors, and class probabilities
    (batch, anchors, classes); there is no background class.
    """

    def __init__(self, classes: int, width: float) -> None:
        super().__init__()
        self.classes = classes
        self.features = MobileNetV2(classes, width).features
        channels = (6 * scaled_channels(BOTTLENECKS[4][1], width), scaled_channels(1280, max(1.0, width)))
        counts = tuple(len(sides) for sides in ANCHOR_SIDES_PX)
        self.box_heads = nn.ModuleList(_head(c, 4 * k) for c, k in zip(channels, counts, strict=True))
        self.class_heads = nn.ModuleList(_head(c, classes * k) for c, k in zip(channels, counts, strict=True))
        for head in self.class_heads:
            nn.init.constant_(head[-1].bias, -4.0)  # type: ignore[index]  # few anchors hold a sign at first

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return boxes and probabilities for x of shape (batch, 3, 144, 192)."""
        boxes, logits = self.raw(x)
        return boxes, logits.sigmoid()

    def raw(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return boxes and logits."""
        for layer in self.features[:14]:
            x = layer(x)
        expanded = self.features[14].conv[0](x)  # type: ignore[union-attr,index]
        x = self.features[14].conv[1:](expanded)  # type: ignore[union-attr,index]
        for layer in self.features[15:]:
            x = layer(x)
        maps = (expanded, x)
        boxes = [_rows(head(part), 4) for head, part in zip(self.box_heads, maps, strict=True)]
        logits = [_rows(head(part), self.classes) for head, part in zip(self.class_heads, maps, strict=True)]
        return torch.cat(boxes, 1), torch.cat(logits, 1)


class Segmenter(nn.Module):
    """DeepLabv3 at output stride 8 without ASPP: the last two strides become dilation.

    Gives logits (batch, classes + 1, 144, 192); class 0 is background.
    """

    def __init__(self, classes: int, width: float, channels: int = 128) -> None:
        super().__init__()
        backbone = MobileNetV2(classes, width).features[:-1]
        for block, dilation in [(7, 1), *((n, 2) for n in range(8, 14)), (14, 2), *((n, 4) for n in range(15, 18))]:
            depthwise = backbone[block].conv[1][0]  # type: ignore[union-attr,index]
            depthwise.stride, depthwise.dilation, depthwise.padding = (1, 1), (dilation,) * 2, (dilation,) * 2
        self.features = backbone
        self.pixel = conv_bn_relu6(scaled_channels(320, width), channels, kernel=1)
        self.picture = conv_bn_relu6(scaled_channels(320, width), channels, kernel=1)
        self.project = conv_bn_relu6(2 * channels, channels, kernel=1)
        self.classify = nn.Conv2d(channels, classes + 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits for x of shape (batch, 3, 144, 192)."""
        size = x.shape[2:]
        x = self.features(x)
        whole = functional.interpolate(self.picture(x.mean((2, 3), keepdim=True)), x.shape[2:])
        x = self.project(torch.cat([self.pixel(x), whole], 1))
        return functional.interpolate(self.classify(x), size, mode="bilinear", align_corners=False)


def anchors() -> NDArray[np.float32]:
    """Return the anchors, float32 (anchors, 4): centre y, centre x, height, width as fractions; in the heads' order."""
    rows: list[tuple[float, float, float, float]] = []
    for stride, sides in zip((16, 32), ANCHOR_SIDES_PX, strict=True):
        height, width = -(-INPUT_HEIGHT // stride), -(-INPUT_WIDTH // stride)
        for y in range(height):
            for x in range(width):
                rows += [
                    ((y + 0.5) / height, (x + 0.5) / width, side / INPUT_HEIGHT, side / INPUT_WIDTH) for side in sides
                ]
    return np.array(rows, np.float32)


def warm_start(features: nn.Sequential, onnx_file: Path, pictures: torch.Tensor) -> None:
    """Start the backbone from the demo classifier's, whose BatchNorms are folded into its convolutions.

    One pass over `pictures` gives every BatchNorm the mean and variance that its convolution has now, and a scale and
    shift that undo them: at first the layers compute what the classifier's do.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(onnx_file)
    initial = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    folded = [[initial[name] for name in node.input[1:3]] for node in model.graph.node if node.op_type == "Conv"]
    modules = [module for module in features.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    pairs = list(pairwise(modules))[::2]
    features.eval()
    with torch.inference_mode():
        for (convolution, norm), (weight, bias) in zip(pairs, folded, strict=False):
            assert isinstance(norm, nn.BatchNorm2d)
            convolution.weight.copy_(torch.from_numpy(weight.copy()))

            def undo(module: nn.Module, args: tuple[torch.Tensor], bias: NDArray[np.float32] = bias) -> None:
                mean, variance = args[0].mean((0, 2, 3)), args[0].var((0, 2, 3))
                module.running_mean.copy_(mean)  # type: ignore[operator,union-attr]
                module.running_var.copy_(variance)  # type: ignore[operator,union-attr]
                module.weight.copy_((variance + module.eps).sqrt())  # type: ignore[operator,union-attr]
                module.bias.copy_(torch.from_numpy(bias.copy()) + mean)  # type: ignore[operator,union-attr]

            norm.register_forward_pre_hook(undo)
        features(pictures)
    for _, norm in pairs:
        norm._forward_pre_hooks.clear()  # noqa: SLF001 - ours


def _head(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu6(channels, channels, groups=channels), nn.Conv2d(channels, outputs, 1))


def _rows(x: torch.Tensor, columns: int) -> torch.Tensor:
    """Turn (batch, anchors x columns, height, width) into (batch, height x width x anchors, columns)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, columns)
